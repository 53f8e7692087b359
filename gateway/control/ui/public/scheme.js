// Before anything is drawn, so that nobody who prefers the dark sees a flash of white.
(function () {
  var wanted = null;
  try {
    wanted = localStorage.getItem("mantine-color-scheme-value");
  } catch (error) {
    // No storage: the system's own choice.
  }
  var dark = wanted === "dark" || (wanted !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
