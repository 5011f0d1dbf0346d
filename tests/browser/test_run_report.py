"""The report of a run in a real browser: searched, paged, narrow and wide, and no text of users is ever markup."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from app.runs.output import write_results
from tests.large_run import large_run
from tests.result_rows import MadeRun, ambiguous, bad_file, face, no_face, unknown

EVIL = """</script><script>alert(1)</script><img src=x onerror=alert(2)>"'&{n}"""
Open = Callable[..., list[str]]


def small_run() -> MadeRun:
    faces = [face(f"/p/2024/ann_{i:02}.jpg", score=0.5 + i / 100, best=("Ann", 0.5 + i / 100)) for i in range(30)]
    faces += [face(f"/p/{EVIL}.jpg", subject=EVIL, best=(EVIL, 0.7), reason=f"because {EVIL}")]
    faces += [unknown(f"/p/x{i}.jpg", cluster="c7") for i in range(3)] + [unknown("/p/lone.jpg", cluster="c9")]
    faces += [ambiguous("/p/both.jpg"), face("/p/fog.jpg", decision="poor_image", subject=None)]
    faces += [face("/p/film.mp4", subject="Bo", best=("Bo", 0.6), start_s=62.0, end_s=75.5)]
    return MadeRun(faces, [bad_file(f"/p/bad {EVIL}.jpg", message=f"{EVIL} is damaged"), no_face("/p/wall.jpg")])


@pytest.fixture
def opened(page: Page) -> Open:
    """Opens a report; returns what it has asked for, and fails the test where the console says anything."""

    def said(message: ConsoleMessage) -> None:
        raise AssertionError(message.text)

    def visit(file: Path, width: int = 1280, scheme: str = "light") -> list[str]:
        asked: list[str] = []
        page.on("console", said)
        page.on("request", lambda request: asked.append(request.url))
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(file.as_uri())
        page.wait_for_function("document.documentElement.dataset.ready === 'yes'")
        return asked

    return visit


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(small_run(), tmp_path_factory.mktemp("report"), ("html",))[0]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_loads_nothing(page: Page, opened: Open, report: Path, width: int, scheme: str) -> None:
    asked = opened(report, width, scheme)
    expect(page.locator("#status")).to_have_text("38 faces · 3 people · 2 files")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "no sideways scrolling"
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    pictures = page.locator("main img")
    assert pictures.evaluate_all("all => all.every(one => one.alt && one.src.startsWith('data:image/jpeg'))")
    for what in ("0.1 %, below 0.19 % with 95 % confidence", "2.1 %", "0.400"):
        expect(page.get_by_text(what).first).to_be_visible()
    ground, ink = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.querySelector('#status')).color]"
    )
    assert {ground, ink} == ({"rgb(0, 0, 0)"} if scheme == "light" else {"rgb(255, 255, 255)"})


def test_text_of_users_is_only_text(page: Page, opened: Open, report: Path) -> None:
    opened(report)
    expect(page.get_by_role("heading", name="</script><script>alert(1)")).to_be_visible()
    section = page.locator("section", has=page.get_by_role("heading", name="</script>"))
    section.locator("summary").click()
    expect(section.get_by_text(f"because {EVIL}")).to_be_visible()
    expect(page.get_by_text(f"{EVIL} is damaged")).to_be_visible()
    assert page.locator("main script, main img:not([alt])").count() == 0
    assert page.evaluate("document.querySelectorAll('img[src=x]').length") == 0


def test_search_and_buttons_find_what_was_asked_for(page: Page, opened: Open, report: Path) -> None:
    opened(report)
    status, search = page.locator("#status"), page.get_by_role("searchbox")
    search.fill("ANN 2024 _07")
    expect(status).to_have_text("1 face · 1 person")
    expect(page.get_by_role("img", name="Face 1 of ann_07.jpg")).to_be_visible()
    search.fill("nobody is called so")
    expect(page.get_by_text("Nothing fits")).to_be_visible()
    search.fill("")
    page.get_by_role("button", name="Unknown 4").click()
    expect(page.get_by_role("heading", name="Unknown c7")).to_be_visible()
    expect(page.get_by_text("knownface unknown name c7 SUBJECT")).to_be_visible()
    expect(page.get_by_role("heading", name="Unknown, on their own")).to_be_visible()
    expect(page.locator("section.loose")).to_contain_text("c9")
    expect(status).to_have_text("4 faces")
    page.get_by_role("button", name="No result 2").click()
    expect(page.get_by_text("/p/wall.jpg")).to_be_visible()
    page.get_by_role("button", name="Ambiguous 1").click()
    pair = page.locator(".pair")
    assert pair.locator("img").evaluate_all("all => all.map(one => one.alt)") == [
        *("Face 1 of both.jpg", "A face of Ann", "A face of Bo")
    ]
    expect(pair).to_contain_text("0.500")
    expect(pair).to_contain_text("0.490")


def test_order_more_and_keyboard(page: Page, opened: Open, report: Path) -> None:
    opened(report)
    ann = page.locator("section", has=page.get_by_role("heading", name="Ann named"))
    expect(ann.locator("article")).to_have_count(24)
    expect(ann.locator("article").first).to_contain_text("0.790")
    page.get_by_role("combobox").select_option("lowest score first")
    expect(ann.locator("article").first).to_contain_text("0.500")
    ann.get_by_role("button", name="Show 6 more (of 6)").focus()
    page.keyboard.press("Enter")
    expect(ann.locator("article")).to_have_count(30)
    expect(ann.get_by_role("heading")).to_be_focused()
    expect(page.get_by_text("0:01:02–0:01:15")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    expect(page.locator("article")).to_have_count(38)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(ann.locator("article")).to_have_count(24)


def test_pages_turn_and_pictures_beside_it_are_fetched_when_seen(page: Page, opened: Open, tmp_path: Path) -> None:
    rows = [face(f"/p/{i}.jpg", subject=f"Person {i:03}", best=(f"Person {i:03}", 0.6)) for i in range(40)]
    (file,) = write_results(MadeRun(rows), tmp_path, ("html",), assets=True)
    asked = opened(file)
    folder = (tmp_path / "report-files").as_uri()
    expect(page.locator("main img").first).to_have_js_property("naturalWidth", 24)
    assert {url.rsplit("/", 2)[0] for url in asked[1:]} == {folder}
    back, on = page.get_by_role("button", name="Back").first, page.get_by_role("button", name="Next").first
    expect(back).to_be_disabled()
    for _ in range(3):
        on.click()
    expect(page.get_by_text("Page 4 of 4").first).to_be_visible()
    expect(on).to_be_disabled()
    expect(page.get_by_role("heading", name="Person 039")).to_be_visible()
    expect(page.locator("section")).to_have_count(4)


def test_what_does_not_fit_into_the_page_is_said(page: Page, opened: Open, tmp_path: Path) -> None:
    from app.runs.output.html import write_html
    from tests.result_rows import picture

    run = small_run()
    write_html(run, tmp_path / "report.html", limit=3 * len(picture("x")) * 4 // 3)
    opened(tmp_path / "report.html")
    expect(page.get_by_text("pictures of 3 of 38 faces")).to_be_visible()
    assert page.locator("section.people img").count() == 3, "one of each person"
    expect(page.get_by_role("img", name="picture not in this file").first).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("assets", [False, True])
def test_fifty_thousand_faces_stay_usable(page: Page, opened: Open, tmp_path: Path, assets: bool) -> None:
    run = large_run(50_000)
    (file,) = write_results(run, tmp_path, ("html",), assets=assets)
    opened(file)
    status, articles = page.locator("#status"), page.locator("article")
    expect(status).to_contain_text("50,000 faces")
    assert articles.count() <= 12 * 24, "only what is looked at is drawn"
    page.get_by_role("searchbox").fill("IMG_012345 2009")
    wanted = sum("IMG_012345" in row.photo for row in run.face_rows)
    expect(status).to_have_text("1 face · 1 person" if wanted == 1 else f"{wanted} faces", ignore_case=True)
    expect(articles).to_have_count(wanted)
    expect(page.locator("main img").first).to_have_js_property("naturalWidth", 24)
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="Ambiguous").click()
    expect(articles).to_have_count(24)
