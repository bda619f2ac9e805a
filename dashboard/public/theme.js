// Before anything is drawn, so that a reader who chose dark never sees a flash of light.
try {
  const theme = localStorage.getItem("culvert-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme is used then.
}
