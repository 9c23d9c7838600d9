{%- extends "nbgrader/gradebook_base.tpl" -%}

{%- block sidebar -%}
{{ super() }}
{% include "class_link.html.j2" %}
{%- endblock -%}
