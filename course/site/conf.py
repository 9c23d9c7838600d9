"""Sphinx's settings for the course as a site. `medcourse site` copies this folder beside the pages that it writes."""

import medcourse
import medcourse.grading.notebooks  # loads nbformat in a way that saves seconds

project = "Deep Learning in Medical Imaging"
author = "The medcourse authors"
copyright = "the medcourse authors; code BSD 3-Clause, text and figures CC BY 4.0"  # noqa: A001  (Sphinx's name)
release = version = medcourse.__version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "medcourse.site.docstrings",
    "medcourse.site.mend",
]
exclude_patterns = ["_static", "notebooks", "_templates", "conf.py"]
templates_path = ["_templates"]

# Lessons come with their outputs: medcourse/executed.py.
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"  # outputs have tables
nb_output_stderr = "remove"  # progress bars
# Demos show their twins, for no kernel is there to answer the widget.
nb_mime_priority_overrides = [("*", "text/html", 0)]
nb_ipywidgets_js = {}
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist", "attrs_inline"]
myst_heading_anchors = 3
myst_dmath_double_inline = True
myst_dmath_allow_space = False  # "896 $ in the USA, 279 $ in the Netherlands" are prices

# Nothing is fetched from elsewhere: a page works in a hospital's network, and tells nobody who reads it.
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}  # whose entries would load what is not here

nitpicky = True
# Types in docstrings are written for people, "int, optional"; names of our own must be there.
nitpick_ignore_regex = [(r"py:.*", r"(?!medcourse).*")]
default_role = "code"
highlight_language = "none"  # what stands in a text without a language is for a shell; cells and examples name theirs
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False

html_theme = "sphinx_book_theme"
html_title = project
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css", "tables.css", "outputs.css"]
html_js_files = ["menus.js"]
html_copy_source = False
html_show_sourcelink = False
html_permalinks_icon = "#"
html_context = {"default_mode": "auto"}  # dark where the reader's system is
html_theme_options = {
    "logo": {"text": project, "alt_text": ""},
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "search_bar_text": "Search the course",
    "navbar_persistent": [],  # the search is in the sidebar, and on a phone in the line above the page
    "use_download_button": False,
    "use_fullscreen_button": False,
    "use_sidenotes": False,
    "back_to_top_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
