import { Dialog } from "@base-ui/react/dialog";
import { useQueries } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useState } from "react";
import { queries } from "../api/client";
import { type Known, type Target, targetsFor } from "./targets";

interface PaletteProps {
  project: string | undefined;
  isOpen: boolean;
  setOpen: (isOpen: boolean) => void;
}

/** Ctrl-K: type a page, a version, an entity or the id of a prediction, and go there. */
export function Palette({ project, isOpen, setOpen }: PaletteProps) {
  return (
    <Dialog.Root open={isOpen} onOpenChange={setOpen}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog palette">
          <Dialog.Title className="hidden">Find</Dialog.Title>
          <Finder project={project} close={() => setOpen(false)} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Finder({ project, close }: { project: string | undefined; close: () => void }) {
  const [text, setText] = useState("");
  const [place, setPlace] = useState(0);
  const navigate = useNavigate();
  const targets = useTargets(project, text);
  const active = Math.min(place, targets.length - 1);
  const go = (target: Target | undefined) => {
    if (target === undefined) return;
    close();
    if (target.project === null) void navigate({ to: "/" });
    else void navigate({ to: "/ui/$project/$page", params: { project: target.project, page: target.page }, search: target.search });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") go(targets[active]);
    else if (step !== undefined) setPlace((active + step + targets.length) % Math.max(1, targets.length));
    else return;
    event.preventDefault();
  };
  return (
    <>
      <input
        role="combobox"
        aria-label="Find a page, a version, an entity or a prediction"
        aria-expanded={targets.length > 0}
        aria-controls="targets"
        aria-activedescendant={targets.length > 0 ? `target-${active}` : undefined}
        aria-autocomplete="list"
        placeholder="Page, version, entity or prediction id"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setPlace(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id="targets" role="listbox" aria-label="Places">
        {targets.map((target, index) => (
          <li key={`${target.project}/${target.page}/${target.label}`} id={`target-${index}`} role="option" aria-selected={index === active} onClick={() => go(target)}>
            {target.label} <small>{target.hint}</small>
          </li>
        ))}
      </ul>
      {targets.length === 0 && <p className="state">Nothing fits. A prediction is found by its whole id of 26 letters and digits.</p>}
    </>
  );
}

function useTargets(project: string | undefined, text: string): Target[] {
  const { data: projects = [] } = queries.useQuery("get", "/api/projects");
  const params = { path: { name: project ?? "" } };
  const enabled = project !== undefined;
  const { data: versions } = queries.useQuery("get", "/api/projects/{name}/models", { params }, { enabled });
  const { data: pages = [] } = queries.useQuery("get", "/api/projects/{name}/pages", { params }, { enabled });
  return targetsFor(text, { pages, projects: projects.map(({ name }) => name), project, versions: versions?.items ?? [], entities: useEntities(project) });
}

/** The entities of every kind; of a kind with more, the first thousand. */
function useEntities(project: string | undefined): Known["entities"] {
  const enabled = project !== undefined;
  const params = { path: { name: project ?? "" } };
  const { data: stats } = queries.useQuery("get", "/api/projects/{name}/feature-store/stats", { params }, { enabled });
  const lists = useQueries({
    queries: (stats?.plurals ?? []).map((plural) =>
      queries.queryOptions("get", "/api/projects/{name}/feature-store/{plural}", { params: { path: { name: project ?? "", plural }, query: { limit: 1000 } } }),
    ),
  });
  return lists.flatMap(({ data }) => (data?.items ?? []).map((item) => ({ kind: data?.plural ?? "", key: (data?.join_keys ?? []).map((name) => String(item[name])).join(",") })));
}
