// On a phone the list of a page's sections lies over the page: who has chosen one wants to see it.
document.addEventListener("click", (event) => {
  const link = event.target.closest('dialog[open] a[href^="#"]');
  if (link) link.closest("dialog").close();
});
