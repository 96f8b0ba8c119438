import { useEffect, useState } from "react";

const NAMES = ["system", "light", "dark"] as const;
type Theme = (typeof NAMES)[number];
const KEY = "touchline.theme";

function storedTheme(): Theme {
  const found = localStorage.getItem(KEY);
  return NAMES.find((name) => name === found) ?? "system";
}

export function ThemeSwitch() {
  const [theme, setTheme] = useState<Theme>(storedTheme);
  useEffect(() => {
    localStorage.setItem(KEY, theme);
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
  }, [theme]);
  return (
    <label className="theme">
      Colours{" "}
      <select value={theme} onChange={(event) => setTheme(event.target.value as Theme)}>
        {NAMES.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}
