import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { problemOf } from "./api/problem";
import { router } from "./router";
import "./style.css";

const SESSION = ["get", "/api/session"];
/** What ends a session on one route ends it on all: the server is away, or the key no longer works. */
const ENDS = [0, 401];

const client = new QueryClient({
  queryCache: new QueryCache({
    onError: (thrown, { queryKey }) => {
      if (queryKey[1] !== SESSION[1] && ENDS.includes(problemOf(thrown).status)) void client.invalidateQueries({ queryKey: SESSION });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      refetchInterval: 30_000,
      // A refusal stays one; only a server that is away is asked again.
      retry: (times, thrown) => problemOf(thrown).status === 0 && times < 2,
    },
  },
});

const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
