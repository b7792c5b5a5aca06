import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { usePage } from "./app/page.ts";
import { hrefOf, screensOf } from "./app/screen.ts";
import { Announcer } from "./components/announcer.tsx";
import { DisconnectedBar } from "./components/disconnected-bar.tsx";
import { Header, type HeaderLink } from "./components/header.tsx";
import { Help } from "./components/help.tsx";
import { ArrowLeft } from "./components/icons.tsx";
import { listenToKeys } from "./keyboard.ts";
import { LoginScreen } from "./screens/login.tsx";
import { SCREENS, type ScreenName, screenAt } from "./screens.tsx";

export function App(): JSX.Element {
  const { session } = usePage();
  return session.state.value === "enough" ? <Screens /> : <LoginScreen />;
}

const ALL = screensOf(SCREENS);
const KEYS = new Map(
  ALL.flatMap((screen) => (screen.key === undefined ? [] : [[screen.key, hrefOf(screen)] as const])),
);
const KEYS_HELP = ALL.flatMap(({ key, link }) =>
  key === undefined ? [] : [[`g ${key}`, (link ?? key).toLowerCase()] as const],
);

function Screens(): JSX.Element {
  const page = usePage();
  const { name, title, view } = useComputed(() => screenAt(page.hash.value)).value;
  const parent = parentOf(name);
  const main = useRef<HTMLElement>(null);
  const shown = useRef(title);
  const help = useSignal(false);

  // Together with the new screen. A later effect would take the focus from a person who pressed a key meanwhile.
  useLayoutEffect(() => {
    document.title = name === "overview" ? "Weir" : `${title} · Weir`;
    if (shown.current === title) return;
    shown.current = title;
    // A new screen starts at its top, and a screen reader continues there.
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [title]);
  useEffect(() => {
    const { settings } = page;
    return listenToKeys(window, {
      places: KEYS,
      parent: () => parentOf(screenAt(page.hash.peek()).name)?.href,
      help: () => (help.value = true),
      theme: settings.nextTheme,
      zone: () => settings.setZone(settings.zone.peek() === "utc" ? "local" : "utc"),
    });
  }, [page]);

  return (
    <>
      {!page.kiosk && (
        <>
          <nav aria-label="Shortcut">
            <a class="skip" href={location.hash || "#/"} onClick={(event) => skipTo(event, main.current)}>
              Skip to content
            </a>
          </nav>
          <Header links={linksFrom(name)} onHelp={() => (help.value = true)} />
        </>
      )}
      <DisconnectedBar />
      <main ref={main} tabIndex={-1} aria-label={title} data-connection={page.status.value.state}>
        {parent !== undefined && (
          <a class="back" href={parent.href}>
            <ArrowLeft />
            {parent.link}
          </a>
        )}
        {view}
      </main>
      <Announcer />
      {help.value && <Help places={KEYS_HELP} onClose={() => (help.value = false)} />}
    </>
  );
}

function parentOf(name: ScreenName | undefined): { readonly href: string; readonly link: string } | undefined {
  const parent = name === undefined ? undefined : SCREENS[name].parent;
  return parent === undefined ? undefined : { href: hrefOf(SCREENS[parent]), link: SCREENS[parent].link ?? parent };
}

/** The header's links; a screen marks its own, or that of its parent. */
function linksFrom(shown: ScreenName | undefined): readonly HeaderLink[] {
  const marked = shown === undefined ? undefined : (SCREENS[shown].parent ?? shown);
  return ALL.flatMap((screen) =>
    screen.link === undefined
      ? []
      : [{ href: hrefOf(screen), text: screen.link, current: screen.name === marked, badge: screen.badge }],
  );
}

/** The address names the screen, so this link moves the focus without changing it. */
function skipTo(event: Event, main: HTMLElement | null): void {
  event.preventDefault();
  main?.focus();
}
