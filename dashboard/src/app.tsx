/** Who is signed in, and which page an address is. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { RouterProvider } from "react-aria-components";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { ApiFailure, fetchResult, whenSignedOut } from "./api/client";
import { SessionContext } from "./api/queries";
import type { Session } from "./api/types";
import { NoServer } from "./pages/no-server";
import { SignIn } from "./pages/sign-in";
import { Shell } from "./shell";
import { Empty, Loading } from "./ui/states";
import { PageHead, Panel } from "./ui/page";
import { ButtonLink } from "./ui/controls";
import { Boundary } from "./ui/boundary";
import { pageOf } from "./ui/focus";
import { Toasts } from "./ui/toasts";

const Overview = lazy(() => import("./pages/overview"));
const Services = lazy(() => import("./pages/services"));
const NewService = lazy(() => import("./pages/service-new"));
const Service = lazy(() => import("./pages/service"));
const Tunnels = lazy(() => import("./pages/tunnels"));
const NewTunnel = lazy(() => import("./pages/tunnel-new"));
const TunnelPage = lazy(() => import("./pages/tunnel"));
const Workers = lazy(() => import("./pages/workers"));
const WorkerPage = lazy(() => import("./pages/worker"));
const Errors = lazy(() => import("./pages/errors"));
const Access = lazy(() => import("./pages/access"));

const SESSION = ["session"];

/** How soon a server that did not answer is asked again, in milliseconds. */
const NO_ANSWER = 5_000;

/** Whether it is not known who is signed in. */
function isNoAnswer(error: Error | null): boolean {
  return error instanceof ApiFailure && error.status !== 401;
}

export function App() {
  const [location, navigate] = useLocation();
  const queries = useQueryClient();
  const [expired, setExpired] = useState(false);
  const session = useQuery<Session>({
    queryKey: SESSION, staleTime: Infinity,
    // Whoever came before the server did is let in when it is there.
    refetchInterval: (query) => (query.state.data === undefined && isNoAnswer(query.state.error) ? NO_ANSWER : false),
    queryFn: ({ signal }) => fetchResult<Session>("/session", { signal }),
  });

  useEffect(() => {
    whenSignedOut(() => {
      if (queries.getQueryData(SESSION) === null) return;
      setExpired(true);
      queries.setQueryData(SESSION, null);
    });
  }, [queries]);

  // A session that ends while nothing is asked of the server.
  const ends = session.data?.expires_at;
  useEffect(() => {
    if (ends === undefined) return;
    const left = Date.parse(ends) - Date.now();
    const timer = setTimeout(() => {
      setExpired(true);
      queries.setQueryData(SESSION, null);
    }, Math.max(0, Math.min(left, 2 ** 31 - 1)));
    return () => clearTimeout(timer);
  }, [ends, queries]);

  const signedIn = (next: Session) => {
    queries.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" });
    queries.setQueryData(SESSION, next);
    setExpired(false);
  };

  if (session.isPending) return <main className="content"><Loading /></main>;
  if (session.data === undefined && isNoAnswer(session.error)) return <NoServer error={session.error} onRetry={() => void session.refetch()} />;
  if (!session.data) return <SignIn expired={expired} onSignedIn={signedIn} />;

  const signOut = () => {
    setExpired(false);
    queries.setQueryData(SESSION, null);
    queries.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" });
  };
  return (
    <SessionContext value={session.data}>
      <RouterProvider navigate={(path) => navigate(path)}>
        <Shell onSignedOut={signOut}>
          <Boundary page={pageOf(location)}>
            <Suspense fallback={<Loading lines={6} />}>
              <Switch>
                <Route path="/"><Overview /></Route>
                <Route path="/services"><Services /></Route>
                <Route path="/services/new"><NewService /></Route>
                <Route path="/services/:id"><Service tab="metrics" /></Route>
                <Route path="/services/:id/settings"><Service tab="settings" /></Route>
                <Route path="/services/:id/used-by"><Service tab="used-by" /></Route>
                <Route path="/services/:id/diagnose"><Service tab="diagnose" /></Route>
                <Route path="/tunnels"><Tunnels /></Route>
                <Route path="/tunnels/new"><NewTunnel /></Route>
                <Route path="/tunnels/:id">{({ id }) => <TunnelPage key={id} id={id} tab="connectors" />}</Route>
                <Route path="/tunnels/:id/metrics">{({ id }) => <TunnelPage key={id} id={id} tab="metrics" />}</Route>
                <Route path="/workers"><Workers /></Route>
                <Route path="/workers/:name"><WorkerPage tab="metrics" /></Route>
                <Route path="/workers/:name/logs"><WorkerPage tab="logs" /></Route>
                <Route path="/workers/:name/deployments"><WorkerPage tab="deployments" /></Route>
                <Route path="/workers/:name/bindings"><WorkerPage tab="bindings" /></Route>
                <Route path="/workers/:name/settings"><WorkerPage tab="settings" /></Route>
                <Route path="/errors"><Errors /></Route>
                <Route path="/errors/:code">{({ code }) => <Errors code={code} />}</Route>
                <Route path="/access"><Redirect to="/access/tokens" replace /></Route>
                <Route path="/access/tokens"><Access tab="tokens" /></Route>
                <Route path="/access/audit"><Access tab="audit" /></Route>
                <Route>
                  <PageHead title="No such page" />
                  <Panel>
                    <Empty title="There is nothing at this address">
                      <ButtonLink href="/" look="primary">To the overview</ButtonLink>
                    </Empty>
                  </Panel>
                </Route>
              </Switch>
            </Suspense>
          </Boundary>
        </Shell>
      </RouterProvider>
      <Toasts />
    </SessionContext>
  );
}
