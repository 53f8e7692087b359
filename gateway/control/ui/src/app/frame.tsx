import { AppShell, Box, Burger, Group, Image, NavLink, ScrollArea, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useSyncExternalStore } from "react";
import { Link, Navigate, Outlet, useLocation, useNavigation } from "react-router";
import { asMe, meQuery } from "../api/me";
import { hasSession, onSessionEnd } from "../api/session";
import { ErrorNotice } from "../parts/notices";
import { AccountMenu } from "./account";
import { LogInAgain } from "./again";
import { HealthBadge, HealthBanner } from "./health";
import { PageLoading } from "./loading";
import { DOCS, NAVIGATION } from "./navigation";
import { SchemeMenu } from "./scheme";
import { Shortcuts } from "./shortcuts";

/** Everything around the pages, for who is logged in; others are led to the log-in, and back afterwards. Whose session ends
 * meanwhile logs in where they are. */
export function Frame() {
  const location = useLocation();
  const known = useSyncExternalStore(onSessionEnd, hasSession);
  const { data, error, refetch } = useQuery({ ...meQuery(), enabled: known });
  if (!known && data === undefined) {
    const back = location.pathname + location.search;
    return <Navigate to={back === "/" ? "/login" : `/login?back=${encodeURIComponent(back)}`} replace />;
  }
  if (error && known) {
    return (
      <Box p="xl">
        <ErrorNotice error={error} retry={() => void refetch()} />
      </Box>
    );
  }
  if (data === undefined) return null;
  if (data.must_change_password) return <Navigate to="/password" replace />;
  return (
    <>
      <Framed role={asMe(data)} />
      {known ? null : <LogInAgain name={data.name} />}
    </>
  );
}

function Framed({ role: me }: { role: ReturnType<typeof asMe> }) {
  const [opened, { toggle, close }] = useDisclosure(false);
  const location = useLocation();
  const navigation = useNavigation();
  const first = useRef(true);
  // What is opened within a page (a record of the log) has an address below the page's own.
  const page = location.pathname.split("/")[1];

  useEffect(() => {
    close();
    // The first page is where the browser puts the focus; later ones are announced by their heading.
    if (!first.current) document.getElementById("page-title")?.focus({ preventScroll: true });
    first.current = false;
    window.scrollTo(0, 0);
  }, [page, close]);

  return (
    <AppShell header={{ height: 56 }} navbar={{ width: 232, breakpoint: "sm", collapsed: { mobile: !opened } }} padding={{ base: "md", sm: "lg" }}>
      <a className="skip-link" href="#main">
        Skip to the content
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={opened ? "Close the navigation" : "Open the navigation"} aria-expanded={opened} />
            <Link to="/" className="home" aria-label="microgate, home">
              <Group gap={8} wrap="nowrap">
                <Image src="/ui/mark.svg" w={28} h={28} alt="" />
                <Text fw={700} visibleFrom="xs">
                  microgate
                </Text>
              </Group>
            </Link>
          </Group>
          <Group gap="sm" wrap="nowrap">
            <HealthBadge />
            <SchemeMenu />
            <AccountMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label="Pages">
        <AppShell.Section grow component={ScrollArea}>
          {NAVIGATION.map(({ group, entries }) => (
            <div key={group} role="group" aria-label={group}>
              <div className="nav-group" aria-hidden>
                {group}
              </div>
              {entries
                .filter((entry) => entry.least === undefined || me.may(entry.least))
                .map((entry) => {
                  const here = location.pathname === entry.path || location.pathname.startsWith(`${entry.path}/`);
                  return (
                    <NavLink
                      key={entry.path}
                      component={Link}
                      to={entry.path}
                      label={entry.label}
                      leftSection={<entry.icon size={18} stroke={1.6} />}
                      active={here}
                      aria-current={here ? "page" : undefined}
                      className="nav-link"
                    />
                  );
                })}
            </div>
          ))}
        </AppShell.Section>
        <AppShell.Section>
          <NavLink component="a" href="/docs/" label={DOCS.label} leftSection={<DOCS.icon size={18} stroke={1.6} />} className="nav-link" />
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main className="app-main" id="main" tabIndex={-1}>
        <HealthBanner />
        {navigation.state === "loading" ? <PageLoading /> : <Outlet />}
      </AppShell.Main>
      <Shortcuts />
    </AppShell>
  );
}
