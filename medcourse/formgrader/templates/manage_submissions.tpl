{%- extends "nbgrader/manage_submissions.tpl" -%}

{%- block sidebar -%}
{{ super() }}
{% include "class_link.html.j2" %}
{%- endblock -%}

{%- block messages -%}
<p>
  <a class="btn btn-primary" href="{{ base_url }}/formgrader/class/{{ assignment_id }}">Grade the class</a>
  grades all of them at once, in parallel. The icons below grade one student each.
</p>
{%- endblock -%}
