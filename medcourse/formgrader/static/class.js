// A lab's page: the buttons, and what changes while the class is graded.
(function () {
  const box = document.getElementById("class-state");
  const lab = box.dataset.lab;
  const pages = `${base_url}/formgrader/class/${lab}`;
  const api = `${base_url}/formgrader/api/class/${lab}`;

  async function show() {
    // A hub asks for the token even of what only reads, where a script asks; who is logged out would be sent elsewhere.
    const headers = { "X-XSRFToken": getCookie("_xsrf") ?? "" };
    const answer = await fetch(`${pages}/state`, { headers, redirect: "error" });
    if (!answer.ok) {
      throw new Error(answer.statusText);
    }
    box.innerHTML = await answer.text(); // made and escaped by the server
    prepare();
  }

  function complain() {
    createModal("error-modal", "Error", "The server does not answer, or you are logged out: load this page again. A run goes on as long as the server does.");
  }

  function press(action, button) {
    button.disabled = true;
    // jQuery's, for nbgrader puts the XSRF token into it.
    $.post(`${api}/${action}`).then(show).catch(complain);
  }

  // JupyterLab shows formgrader in a frame that may not download; the page around it may.
  function download(event) {
    if (window !== window.top) {
      event.preventDefault();
      const link = window.parent.document.createElement("a");
      link.href = event.currentTarget.href;
      link.click();
    }
  }

  function prepare() {
    document.getElementById("class-csv")?.addEventListener("click", download);
    for (const action of ["grade", "stop"]) {
      const button = document.getElementById(`class-${action}`);
      button?.addEventListener("click", () => press(action, button));
    }
    if (box.querySelector("[data-running=yes]")) {
      setTimeout(() => show().catch(complain), 700);
    }
  }

  prepare();
})();
