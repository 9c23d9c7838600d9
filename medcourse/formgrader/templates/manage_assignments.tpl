{%- extends "nbgrader/manage_assignments.tpl" -%}

{%- block sidebar -%}
{{ super() }}
{% include "class_link.html.j2" %}
{%- endblock -%}
