import { render } from "preact";
import { App } from "./app/app.tsx";
import { PageProvider, startPage } from "./app/page.ts";

const root = document.getElementById("app");
if (root === null) throw new Error("the page has no place for the app");
render(
  <PageProvider value={startPage(window)}>
    <App />
  </PageProvider>,
  root,
);
