"""What people do on a hub with a mouse: pages of JupyterLab, of nbgrader's lists and of formgrader."""

import re
from urllib.parse import quote, urlsplit

from playwright.sync_api import expect

# A class starts its servers and kernels at once, on a machine that does other things as well.
PATIENCE_MS = 120_000

# Lets scripts reach JupyterLab's commands and models, as `jupyter lab --expose-app-in-browser` does.
_EXPOSE = """new MutationObserver(() => {
    const settings = document.getElementById("jupyter-config-data");
    if (settings?.textContent.includes('"exposeAppInBrowser": false')) {
        settings.textContent = settings.textContent.replace('"exposeAppInBrowser": false', '"exposeAppInBrowser": true');
    }
}).observe(document, { childList: true, subtree: true, characterData: true })"""
_ANSWER = """async (answers) => {
    const panel = jupyterapp.shell.currentWidget;
    for (const cell of panel.content.model.cells) {
        const id = cell.getMetadata("nbgrader")?.grade_id;
        if (id in answers) { cell.sharedModel.setSource(answers[id]); }
    }
    await panel.context.save();
}"""
_IS_OPEN = """(path) => {
    const panel = jupyterapp.shell.currentWidget;
    return panel?.context?.path === path && panel.context.isReady && panel.content.model.cells.length > 0;
}"""


class Person:
    """Somebody who has logged in by the form and sees JupyterLab, their own or the course's.

    Attributes
    ----------
    external
        Addresses beyond this machine that pages have asked for so far.
    """

    def __init__(self, hub, browser, name, lab, first):
        self.url, self.lab, self.external = hub.url, lab, []
        self.page = page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", self._note)
        page.add_init_script(_EXPOSE)
        page.goto(f"{hub.url}/hub/login?next={quote(first)}")
        page.fill("#username_input", name)
        page.fill("#password_input", hub.password(name))
        page.click("#login_submit")
        page.wait_for_function("() => globalThis.jupyterapp?.shell?.isAttached")
        page.evaluate("() => jupyterapp.restored")

    def _note(self, request):
        address = urlsplit(request.url)
        if address.scheme in {"http", "https", "ws", "wss"} and address.hostname not in {"127.0.0.1", "localhost"}:
            self.external.append(request.url)

    def menu(self, name):
        """Return what a menu offers, and leave it open."""
        self.page.get_by_role("menubar").get_by_role("menuitem", name=name, exact=True).click()
        items = self.page.locator(".lm-Menu .lm-Menu-item:visible")
        items.first.wait_for()
        return [item.inner_text().strip() for item in items.all()]

    def choose(self, menu, item):
        """Choose from a menu."""
        self.menu(menu)
        self.page.locator(".lm-Menu").get_by_role("menuitem", name=item, exact=True).click()

    def commands(self):
        """Return what the command palette offers."""
        return self.page.evaluate("() => jupyterapp.commands.listCommands()")

    def read_dialog(self):
        """Return the text of a dialog of JupyterLab and close it."""
        dialog = self.page.locator(".jp-Dialog")
        dialog.wait_for()
        text = dialog.inner_text()
        dialog.get_by_role("button", name="OK").click()
        dialog.wait_for(state="detached")
        return text

    def ask(self, path, method="GET"):
        """Return the status that the hub answers with, asked with this person's cookies; redirections are followed."""
        token = {each["name"]: each["value"] for each in self.page.context.cookies(f"{self.url}{self.lab}/")}.get(
            "_xsrf"
        )
        headers = {"X-XSRFToken": token} if token else {}
        return self.page.request.fetch(f"{self.url}{path}", method=method, headers=headers, timeout=PATIENCE_MS).status


class Student(Person):
    """A student with nbgrader's list of assignments."""

    def __init__(self, hub, browser, name):
        super().__init__(hub, browser, name, lab=f"/user/{name}", first="/hub/spawn")

    def open_list(self):
        """Open the list of assignments, or load it again."""
        if self.page.locator("#assignments").count():
            self.page.evaluate("() => jupyterapp.commands.execute('nbgrader:open-assignment-list')")
            with self.page.expect_response(re.compile(r"/assignments\?course_id=")):
                self.page.locator("#refresh_assignments_list").click()
        else:
            with self.page.expect_response(re.compile(r"/assignments\?course_id=")):
                self.choose("Nbgrader", "Assignment List")

    def row(self, part, lab):
        """Return a lab's row in a part of the list: `released`, `fetched` or `submitted`."""
        return self.page.locator(f"#{part}_assignments_list > .list_item", has_text=lab)

    def fetch(self, lab):
        """Fetch a lab from the list."""
        self.row("released", lab).get_by_role("button", name="Fetch", exact=True).click()
        self.row("fetched", lab).wait_for()

    def open_notebook(self, lab):
        """Open a fetched lab from the list."""
        self.row("fetched", lab).locator(".assignment-notebooks-link").click()
        self.row("fetched", lab).locator(".nested_list_item").get_by_role("link", name=lab).click()
        self.page.wait_for_function(_IS_OPEN, arg=f"{lab}/{lab}.ipynb")

    def answer(self, answers):
        """Write answers, by grade_id, into the notebook that is open, and save it."""
        self.page.evaluate(_ANSWER, answers)

    def validate(self):
        """Press Validate in the notebook that is open, and return what it says."""
        self.page.locator(".validate-button:visible").click()
        return self.read_dialog()

    def submit(self, lab, *, before=0):
        """Hand in from the list, which shows how often that was done before; return how often it says then."""
        self.open_list()
        past = self.row("submitted", lab).locator(".nested_list_item")
        # The list is there a little after the answer that fills it.
        expect(past).to_have_count(before, timeout=PATIENCE_MS)
        self.row("fetched", lab).get_by_role("button", name="Submit", exact=True).click()
        expect(past).to_have_count(before + 1, timeout=PATIENCE_MS)
        return past.count()

    def read_feedback(self, lab):
        """Fetch feedback from the list, open it in JupyterLab, and return all that it says."""
        self.open_list()
        self.row("submitted", lab).get_by_role("button", name="Fetch Feedback").click()
        self.row("submitted", lab).get_by_text("view feedback").first.click()
        self.page.locator(".jp-DirListing-item", has_text=f"{lab}.html").dblclick()
        frame = self.page.frame_locator(".jp-HTMLViewer iframe")
        frame.locator("main").wait_for()
        return frame.locator("body").inner_text()


class Formgrader(Person):
    """An instructor in the course's JupyterLab, with formgrader in it."""

    def __init__(self, hub, browser, name):
        super().__init__(hub, browser, name, lab="/services/course", first="/services/course/lab")
        self.choose("Nbgrader", "Formgrader")
        self.frame = self.page.locator("#formgrader iframe").element_handle().content_frame()
        self.frame.locator("td.name a").first.wait_for()

    def go(self, page):
        """Follow the link to one of formgrader's pages."""
        link = self.frame.get_by_role("link", name=page, exact=True)
        if not link.count():  # a submission's page leads back to its list only
            self.follow(self.frame.get_by_role("link", name="Manual Grading", exact=True))
        self.follow(link.first)

    def follow(self, link):
        """Follow a link within formgrader."""
        with self.frame.expect_navigation():
            link.click()

    def act(self, action, lab):
        """Press an icon in the row of a lab (`assign`, `release`, `collect`, ...), and return the message's title."""
        self.go("Manage Assignments")
        self.lab_row(lab).locator(f".{action} a").click()
        dialog = self.frame.locator(".modal.in")
        dialog.wait_for()
        title = dialog.locator(".modal-title").inner_text()
        if title != "Success":
            title = dialog.inner_text()
        dialog.locator(".modal-footer button").click()
        dialog.wait_for(state="detached")
        return title

    def lab_row(self, lab):
        """Return a lab's row in Manage Assignments."""
        return self.frame.locator("#main-table tr", has=self.frame.locator(".name", has_text=lab))

    def open_lab(self, lab):
        """Open the page that grades a lab."""
        self.go("Grade the Class")
        self.follow(self.frame.get_by_role("link", name=lab))

    def grade(self, lab):
        """Press our button and wait for the end; return the summary, and each student's points."""
        self.open_lab(lab)
        self.frame.locator("#class-grade").click()
        self.frame.locator("#class-progress").wait_for()
        self.frame.locator("[data-running=no]").wait_for()
        rows = self.frame.locator("#class-students tbody tr").all()
        cells = [[cell.inner_text().strip() for cell in row.locator("td").all()] for row in rows]
        return self.frame.locator("[role=status]").inner_text(), {name: points for name, points, _ in cells}

    def download_report(self, lab):
        """Save the table of a lab's page, and return what it holds."""
        self.open_lab(lab)
        with self.page.expect_download() as saved:
            self.frame.locator("#class-csv").click()
        return saved.value.path().read_text()

    def open_submission(self, lab, student):
        """Open a student's submission for grading by hand."""
        self.go("Manual Grading")
        for _ in range(2):  # the lab, and its notebook of the same name
            self.follow(self.frame.locator("#main-table").get_by_role("link", name=lab))
        row = self.frame.locator("#main-table tr", has=self.frame.locator("a.name-shown", has_text=student))
        row.locator(".glyphicon-eye-open").click()
        self.follow(row.locator("a.name-shown"))
        self.frame.locator("input.score").first.wait_for()

    def mark(self, question, points, comment):
        """Give points and a comment for a written answer in the submission that is open."""
        for place, text, saved in (
            (f"#{question}", str(points), "/api/grade/"),
            (f"#{question}-comment", comment, "/api/comment/"),
        ):
            field = self.frame.locator(place)
            field.fill(text)
            with self.page.expect_response(lambda answer, saved=saved: saved in answer.url and answer.ok):
                field.blur()
