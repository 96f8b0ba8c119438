"""Screenshots of every page of the dashboard in every state, at two widths, light and dark.

    touchline up football leads
    python tools/dashboard_pictures.py FOLDER [--address http://localhost:8000] [--project football] [--page data]
    python tools/dashboard_pictures.py --reference docs/dashboard

States: `full` is what the server at the address shows; `loading` never gets a response; `error` and `forbidden` get a
problem document; `signed-out` needs a key; `viewer` may read, and change nothing; `empty` is a server of the same
projects in a new home. For each state, width and colour contact sheets are written, too. `--reference` writes the
pictures that the documentation shows, with few colours, so that they are small.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import httpx
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, Route

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.dashboard.browser import running_browser
from tests.serving.builders import on_loopback
from tests.stores import with_tables
from touchline.cli.opening import Home
from touchline.cli.processes.apps import create_full_app
from touchline.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = (
    *("models", "runs", "health", "explain", "data", "features"),
    *("rollout", "alerts", "automation", "rehearsal", "system"),
)
STATES = ("full", "loading", "error", "forbidden", "signed-out", "viewer", "empty")
WIDTHS = (1440, 390)
COLOURS = ("light", "dark")
# The shell stays as it is: a page is looked at within it.
_SHELL = ("/api/session", "/api/projects")
_REFERENCE = (
    *((name, "full", 1440, "light") for name in ("overview", "models", "runs", "health", "data", "system")),
    *((name, "full", 390, "dark") for name in ("overview", "models", "health", "data")),
    *(("prediction", "full", 1440, "dark"), ("comparison", "full", 1440, "light"), ("jackpots", "full", 390, "light")),
    *(("features", "full", 390, "light"), ("models", "loading", 1440, "dark"), ("models", "error", 1440, "light")),
    *(("models", "empty", 1440, "light"), ("version", "viewer", 1440, "light"), ("slice", "full", 1440, "light")),
)
_VIEWS = ("prediction", "version", "comparison", "entity", "slice", "incident", "missing")
_TALLEST = 3000
_COLOURS_KEPT = 40
# Sheets are as large as somebody can read at once: a row of pictures has this width, all rows this height at most.
_TILE = {1440: 640, 390: 240}
_SHEET_WIDTH, _SHEET_HEIGHT, _LABEL = 1920, 1300, 16


def addresses(address: str, project: str) -> dict[str, str]:
    """The pages by name with their addresses, the project's own, and views in which something is chosen."""
    paths = {"overview": "/", **{name: f"/ui/{project}/{name}" for name in PAGES}}
    with httpx.Client(base_url=f"{address}/api/projects/{project}", timeout=60) as client:
        for own in client.get("/pages").json():
            paths[own["path"]] = f"/ui/{project}/{own['path']}"
        logged = client.get("/predictions").json()["items"]
        versions = client.get("/models").json()["items"]
        plurals = client.get("/feature-store/stats").json()["plurals"]
        performance = client.get("/model/performance").json().get("performance")
        incidents = client.get("/alerts").json()["incidents"]
        if performance is not None and performance["slices"]["slices"]:
            paths["slice"] = f"/ui/{project}/health?slice={quote(performance['slices']['slices'][0]['label'])}"
        if incidents:
            paths["incident"] = f"/ui/{project}/health?incident={incidents[0]['id']}"
        if logged:
            paths["prediction"] = f"/ui/{project}/explain?prediction={logged[0]['prediction_id']}"
        if versions:
            newest = [str(one["version"]) for one in versions[:2]]
            paths["version"] = f"/ui/{project}/models?version={newest[0]}"
            paths["comparison"] = f"/ui/{project}/runs?compare={','.join(newest)}"
        if plurals:
            found = client.get(f"/feature-store/{plurals[0]}", params={"limit": 1}).json()
            if found["items"]:
                key = ",".join(str(found["items"][0][name]) for name in found["join_keys"])
                paths["entity"] = str(httpx.URL(f"/ui/{project}/features", params={"kind": plurals[0], "entity": key}))
    return paths | {"missing": "/nosuch"}


def _problem(status: int, title: str, detail: str) -> Callable[[Route], None]:
    body = json.dumps({"type": "about:blank", "status": status, "title": title, "detail": detail})
    return lambda route: route.fulfill(status=status, content_type="application/problem+json", body=body)


def _become_viewer(route: Route) -> None:
    refusal = "Your key has the role viewer; a change needs operator."
    body = {"name": "Ada", "role": "viewer", "is_open": False, "refusal": refusal}
    route.fulfill(status=200, content_type="application/json", body=json.dumps(body))


def set_state(page: Page, state: str) -> None:
    """Make the page's own requests end as the state says; those of `loading` stay unanswered."""
    answers: dict[str, Callable[[Route], None]] = {
        "loading": lambda _: None,
        "error": _problem(503, "The metadata database does not answer", "It is tried again; see touchline doctor."),
        "forbidden": _problem(403, "Not allowed", "The key has the role scorer; this needs viewer."),
        "signed-out": _problem(401, "A valid API key is needed", "Send one as a bearer token."),
    }
    if state == "viewer":
        page.route("**/api/session", _become_viewer)
        page.route("**/api/keys", _problem(403, "Not allowed", "The key has the role viewer; this needs operator."))
    if state in answers:
        answer = answers[state]
        shell = () if state == "signed-out" else _SHELL
        page.route("**/api/**", lambda r: r.continue_() if shell and r.request.url.endswith(shell) else answer(r))


@contextmanager
def an_empty_server(projects: list[str]) -> Iterator[str]:
    """A server of the same projects in a home where nothing was ingested."""
    with tempfile.TemporaryDirectory() as name:
        home = Home(Settings(home=with_tables(Path(name) / "home")), ROOT)
        app = create_full_app(home, [ROOT / "projects" / one for one in projects], host="127.0.0.1")
        with on_loopback(app) as address:
            yield address


def take(
    browser: Browser, address: str, path: str, state: str, width: int, colours: Sequence[str]
) -> dict[str, Image.Image]:
    """A picture of the whole page in each colour, cut where it is very long."""
    options = {"viewport": {"width": width, "height": 900 if width > 1000 else 844}, "reduced_motion": "reduce"}
    with browser.new_context(base_url=address, **options) as context:  # type: ignore[arg-type]  # plain values
        page = context.new_page()
        set_state(page, state)
        page.goto(path)
        page.get_by_role("heading", level=1).wait_for()
        if state != "loading":
            page.wait_for_function("() => !document.body.innerText.includes('Loading…')", timeout=60_000)
        pictures = {colour: _in_colour(page, colour) for colour in colours}
        page.unroute_all(behavior="ignoreErrors")
    return pictures


def _in_colour(page: Page, colour: str) -> Image.Image:
    page.emulate_media(color_scheme="dark" if colour == "dark" else "light")
    page.wait_for_timeout(300)
    with Image.open(BytesIO(page.screenshot(full_page=True))) as picture:
        return picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, _TALLEST)))


def write_sheets(pictures: dict[str, Image.Image], width: int, path: Path) -> None:
    """The pictures side by side, each with its name, on as many sheets as that takes."""
    tile = _TILE[width]
    tiles = [(name, _shrunk(picture, tile - 6)) for name, picture in pictures.items()]
    across = _SHEET_WIDTH // tile
    rows = [tiles[start : start + across] for start in range(0, len(tiles), across)]
    sheets: list[list[list[tuple[str, Image.Image]]]] = [[]]
    for row in rows:
        if sheets[-1] and sum(map(_height, [*sheets[-1], row])) > _SHEET_HEIGHT:
            sheets.append([])
        sheets[-1].append(row)
    for number, sheet in enumerate(sheets, start=1):
        _draw(sheet, tile).save(path.with_name(f"{path.stem}_{number}.png"), compress_level=1)


def _shrunk(picture: Image.Image, width: int) -> Image.Image:
    small = picture.resize((width, picture.height * width // picture.width), Image.Resampling.LANCZOS)
    return small.crop((0, 0, width, min(small.height, _SHEET_HEIGHT - _LABEL)))


def _height(row: list[tuple[str, Image.Image]]) -> int:
    return max(picture.height for _, picture in row) + _LABEL


def _draw(rows: list[list[tuple[str, Image.Image]]], tile: int) -> Image.Image:
    sheet = Image.new("RGB", (_SHEET_WIDTH, sum(map(_height, rows))), "white")
    draw, top = ImageDraw.Draw(sheet), 0
    for row in rows:
        for place, (name, picture) in enumerate(row):
            sheet.paste(picture, (place * tile, top + _LABEL - 2))
            draw.text((place * tile + 2, top + 1), name, fill="black")
        top += _height(row)
    return sheet


def write_all(browser: Browser, options: argparse.Namespace, empty: str) -> None:
    paths = addresses(options.address, options.project)
    own = {name: path for name, path in paths.items() if name not in _VIEWS}
    for state in options.states:
        address = empty if state == "empty" else options.address
        views = paths if state in ("full", "viewer") else {"overview": "/"} if state == "signed-out" else own
        names = [name for name in views if options.page in (None, name)]
        for width in options.widths:
            taken = {name: take(browser, address, views[name], state, width, options.colours) for name in names}
            for colour in options.colours:
                pictures = {name: of_page[colour] for name, of_page in taken.items()}
                for name, picture in pictures.items():
                    picture.save(options.folder / f"{name}_{state}_{width}_{colour}.png", compress_level=1)
                write_sheets(pictures, width, options.folder / f"sheet_{state}_{width}_{colour}.png")
                print(f"{state} {width} {colour}: {len(pictures)} pages", flush=True)


def write_reference(browser: Browser, options: argparse.Namespace, empty: str) -> None:
    paths = addresses(options.address, options.project)
    for name, state, width, colour in (one for one in _REFERENCE if options.page in (None, one[0])):
        if name not in paths:
            print(f"{options.project} has no {name} to show: --project NAME --page {name}", flush=True)
            continue
        address = empty if state == "empty" else options.address
        picture = take(browser, address, paths[name], state, width, [colour])[colour]
        short = picture.crop((0, 0, picture.width, min(picture.height, 1400 if width > 1000 else 1600)))
        target = options.folder / f"{name}_{state}_{width}_{colour}.png"
        short.quantize(_COLOURS_KEPT, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(target, optimize=True)
        print(f"{target}: {target.stat().st_size / 1000:.0f} kB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--address", default="http://localhost:8000")
    parser.add_argument("--project", default="football")
    parser.add_argument("--page", help="one page alone")
    parser.add_argument("--states", nargs="+", choices=STATES, default=STATES)
    parser.add_argument("--widths", nargs="+", type=int, choices=WIDTHS, default=WIDTHS)
    parser.add_argument("--colours", nargs="+", choices=COLOURS, default=COLOURS)
    parser.add_argument("--reference", action="store_true", help="the pictures of the documentation")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    names = [one["name"] for one in httpx.get(f"{options.address}/api/projects", timeout=60).json()]
    with an_empty_server(names) as empty, running_browser() as browser:
        (write_reference if options.reference else write_all)(browser, options, empty)


if __name__ == "__main__":
    main()
