import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useColours } from "./colours";
import { usePrinting } from "./printing";

interface LineChartProps {
  title: string;
  /** Seconds since 1970 where `isTime`, else plain numbers; ascending. */
  x: number[];
  isTime?: boolean;
  xName?: string;
  series: { name: string; values: (number | null)[] }[];
  /** A horizontal line, such as the limit of an alarm. */
  limit?: { name: string; value: number } | undefined;
}

const HEIGHT = 220;
const COLOURS = ["--line-1", "--line-2", "--line-3", "--good", "--soft"];
const FEW_POINTS = 40;

/** Long series on a canvas. Their numbers stand in the table below. */
export function LineChart({ title, x, isTime = true, xName, series, limit }: LineChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const isPrinting = usePrinting();
  const colours = useColours();
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const colour = (name: string) => getComputedStyle(element).getPropertyValue(name);
    const lines = [...series, ...(limit ? [{ name: limit.name, values: x.map(() => limit.value) }] : [])];
    const isLimit = (index: number) => index === series.length;
    const axis = { stroke: colour("--text"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    const options: uPlot.Options = {
      width: element.clientWidth,
      height: HEIGHT,
      scales: { x: { time: isTime } },
      axes: [axis, axis],
      series: [
        xName === undefined ? {} : { label: xName },
        ...lines.map(({ name }, index) => ({
          label: name,
          stroke: colour(isLimit(index) ? "--bad" : (COLOURS[index % COLOURS.length] ?? "--line-1")),
          width: 2,
          spanGaps: true,
          points: { show: x.length < FEW_POINTS && !isLimit(index) },
          ...(isLimit(index) || index >= COLOURS.length ? { dash: [6, 4] } : {}),
        })),
      ],
    };
    const chart = new uPlot(options, [x, ...lines.map(({ values }) => values)], element);
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
    // Paper has other colours and another width.
  }, [x, isTime, xName, series, limit, isPrinting, colours]);
  return (
    <figure className="time-chart">
      <figcaption>{title}</figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${series.map(({ name }) => name).join(", ")}, ${x.length} points. The numbers are in the table below.`} />
    </figure>
  );
}
