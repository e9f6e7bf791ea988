// The chosen theme, before the first paint. The system's applies while nothing is chosen.
"use strict";
try {
  const chosen = localStorage.getItem("tailrace-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be switched off: the system's theme stays.
}
