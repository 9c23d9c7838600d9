"""nbgrader's formgrader, made ready to grade a class and to show what strangers wrote."""

from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from nbgrader.server_extensions.formgrader import handlers as stock
from nbgrader.server_extensions.formgrader.formgrader import FormgradeExtension
from traitlets import default

from medcourse.errors import CourseError
from medcourse.formgrader import STOCK
from medcourse.formgrader.handlers import HERE, RUNS, handlers
from medcourse.formgrader.runs import Runs
from medcourse.formgrader.sessions import close_gradebook_with_page
from medcourse.grading import harmless


class Formgrader(FormgradeExtension):  # type: ignore[misc]  # nbgrader has no types
    """nbgrader's formgrader with a page more, links to it, and nothing of a student's that runs in the browser."""

    @default("debug")
    def _debug_default(self) -> bool:
        return False  # it would show the configuration on a page, the gradebook's password with it

    def build_extra_config(self) -> Any:
        """Take nbgrader's page for grading by hand without what it would load from elsewhere."""
        extra_config = super().build_extra_config()
        extra_config.HTMLExporter.extra_template_basedirs = [str(HERE / "exporter"), stock.template_path]
        return extra_config

    def init_tornado_settings(self, webapp: Any) -> None:
        """Put our pages before nbgrader's, and what makes its pages safe into them."""
        super().init_tornado_settings(webapp)
        webapp.settings["nbgrader_jinja2_env"] = environment()
        webapp.settings["nbgrader_exporter"].register_filter("markdown2html", _markdown)
        webapp.settings[RUNS] = Runs()
        close_gradebook_with_page()

    def init_handlers(self, webapp: Any) -> None:
        """Add our addresses before nbgrader's, whose last one answers to anything."""
        webapp.add_handlers(".*$", handlers(webapp.settings["base_url"]))
        super().init_handlers(webapp)


def environment() -> Environment:
    """Return what renders pages: ours, and nbgrader's own under their names and under `nbgrader/`.

    Unlike nbgrader's it escapes what is put into a page. Some of it comes from the address, so with nbgrader's a link
    that an instructor opens could bring a script along.
    """
    own, theirs = FileSystemLoader(HERE / "templates"), FileSystemLoader(stock.template_path)
    return Environment(loader=ChoiceLoader([own, theirs, PrefixLoader({"nbgrader": theirs})]), autoescape=True)


@pass_context
def _markdown(context: Context, source: str) -> Markup:
    """Show a cell to who grades by hand: a script in a written answer would run as the instructor."""
    return harmless.markdown(source, context["cell"].get("attachments"))


def load(server: Any) -> None:
    """Start formgrader in a Jupyter server.

    Raises
    ------
    CourseError
        nbgrader's own is on, too.
    """
    other = server.extension_manager.extensions.get(STOCK)
    if other is not None and other.enabled:
        raise CourseError(f"expected {STOCK} to be off where medcourse.formgrader is on: both have the same addresses")
    formgrader = Formgrader(parent=server)
    formgrader.root_dir = server.root_dir
    formgrader.log = server.log
    formgrader.initialize([])
    formgrader.init_tornado_settings(server.web_app)
    formgrader.init_handlers(server.web_app)
