import { render } from "preact";
import { PageProvider, startPage } from "./app/page.ts";
import { App } from "./app.tsx";

const root = document.getElementById("app");
if (root === null) throw new Error("the page has no place for the app");
render(
  <PageProvider value={startPage(window)}>
    <App />
  </PageProvider>,
  root,
);
