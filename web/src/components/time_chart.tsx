import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

interface TimeChartProps {
  title: string;
  /** Days as ISO text, oldest first. */
  days: string[];
  series: { name: string; values: (number | null)[] }[];
  /** A horizontal line, such as the limit of an alarm. */
  limit?: { name: string; value: number } | undefined;
}

const HEIGHT = 220;
const COLOURS = ["--line-1", "--line-2", "--line-3"];

/** A long time series, drawn on a canvas; its numbers stand in the table below it. */
export function TimeChart({ title, days, series, limit }: TimeChartProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const colour = (name: string) => getComputedStyle(element).getPropertyValue(name);
    const lines = [...series, ...(limit ? [{ name: limit.name, values: days.map(() => limit.value) }] : [])];
    const axis = { stroke: colour("--text"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    const options: uPlot.Options = {
      width: element.clientWidth,
      height: HEIGHT,
      scales: { x: { time: true } },
      axes: [axis, axis],
      series: [{}, ...lines.map(({ name }, index) => ({ label: name, stroke: colour(index === series.length ? "--bad" : (COLOURS[index] ?? "--line-1")), width: 2, points: { show: days.length < 40 && index < series.length }, ...(index === series.length ? { dash: [6, 4] } : {}) }))],
    };
    const chart = new uPlot(options, [days.map((day) => Date.parse(day) / 1000), ...lines.map(({ values }) => values)], element);
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [days, series, limit]);
  return (
    <figure className="time-chart">
      <figcaption>{title}</figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${days.length} days from ${days[0]} to ${days[days.length - 1]}. The numbers are in the table below.`} />
    </figure>
  );
}
