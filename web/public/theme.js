// Sets the chosen theme before the first paint. A file of its own, since the page's policy forbids inline scripts.
try {
  const theme = localStorage.getItem("gantry.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden: the system's theme it is.
}
