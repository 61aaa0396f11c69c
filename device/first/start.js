// A proxy's Content-Security-Policy may forbid the page's own scripts; files start the app as well.
if (!window.__streamlit) {
  document.getElementById("first-screen")?.remove();
  const { start } = document.currentScript.dataset;
  if (start) import(new URL(start, document.baseURI));
}
