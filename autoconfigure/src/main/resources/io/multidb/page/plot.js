/*
 * Connections over time, drawn by Chart.js.
 */
import { html, nothing } from './lit-html/lit-html.js';
import { span } from './words.js';

let chart = null;
let loadingChart = null;

export function plot(detail) {
	const samples = detail.samples;
	const seen = samples.active.filter((count) => count != null);
	const words = seen.length ? `At most ${Math.max(...seen)} in use and ${Math.max(...samples.waiting.map((count) => count ?? 0))} waiting in the last ${
		span(Math.max(...samples.secondsAgo) * 1000)}, seen while somebody had this page open.` : 'Drawn while this page is open.';
	if (!seen.length && !detail.details.source.pool) {
		return nothing;
	}
	return html`<div class="canvas"><canvas id="plot" role="img" aria-label=${'Connections over time. ' + words}></canvas></div><p class="quiet">${words}</p>`;
}

/** The library is fetched when there is something to be drawn. */
export async function drawPlot(detail) {
	const canvas = document.getElementById('plot');
	if (chart && chart.canvas !== canvas) {
		chart.destroy();
		chart = null;
	}
	if (!canvas || !detail) {
		return;
	}
	if (!window.Chart) {
		loadingChart ??= import('./chart.js/dist/chart.umd.min.js').then(() => drawPlot(detail), () => { loadingChart = null; });
		return;
	}
	const samples = detail.samples;
	const points = (counts) => counts.map((y, i) => ({ x: -samples.secondsAgo[i], y }));
	const gaps = (data) => data.flatMap((point, i) => i && point.x - data[i - 1].x > 12 ? [{ x: point.x - 0.1, y: null }, point] : [point]);
	const colours = getComputedStyle(document.documentElement);
	const colour = (name) => colours.getPropertyValue('--' + name).trim();
	// Told apart without colours, too.
	const line = (label, counts, name, borderDash, fill = false) => ({
		label, data: gaps(points(counts)), borderColor: colour(name), backgroundColor: fill ? colour(name + '-soft') : undefined, borderDash, fill, borderWidth: 1.5,
		pointRadius: 0, stepped: true, spanGaps: false
	});
	const sets = [line('In use', samples.active, 'active', [], 'origin'), line('Idle', samples.idle, 'quiet', [6, 4]), line('Waiting', samples.waiting, 'bad', [2, 3])];
	const most = detail.details.source.pool?.max ?? 1;
	const back = Math.max(60, Math.ceil(Math.max(0, ...samples.secondsAgo) / 60) * 60);
	const dashed = (drawn) => window.Chart.defaults.plugins.legend.labels.generateLabels(drawn)
		.map((label) => ({ ...label, lineDash: drawn.data.datasets[label.datasetIndex].borderDash }));
	const step = back > 60 ? 60 * Math.ceil(back / 360) : 10;
	if (!chart) {
		chart = new window.Chart(canvas, {
			type: 'line', data: { datasets: sets },
			options: {
				animation: false, responsive: true, maintainAspectRatio: false, normalized: true, parsing: false,
				interaction: { mode: 'index', intersect: false },
				scales: {
					x: { type: 'linear', min: -back, max: 0, grid: { color: colour('line') }, ticks: {
						color: colour('quiet'), stepSize: step, maxRotation: 0, autoSkipPadding: 16,
						callback: (value) => value === 0 ? 'now' : value % 60 ? `−${-value} s` : `−${-value / 60} min` } },
					y: { min: 0, suggestedMax: most, grid: { color: colour('line') }, ticks: { color: colour('quiet'), precision: 0 } }
				},
				plugins: {
					legend: { position: 'bottom', labels: { color: colour('text'), usePointStyle: true, pointStyle: 'line', pointStyleWidth: 28, generateLabels: dashed } },
					tooltip: { callbacks: { title: (items) => items.length ? `${span(-items[0].parsed.x * 1000)} ago` : '' } }
				}
			}
		});
		return;
	}
	chart.data.datasets.forEach((set, i) => Object.assign(set, sets[i]));
	const { x, y } = chart.options.scales;
	x.min = -back;
	x.ticks.stepSize = step;
	y.suggestedMax = most;
	for (const axis of [x, y]) {
		axis.grid.color = colour('line');
		axis.ticks.color = colour('quiet');
	}
	chart.options.plugins.legend.labels.color = colour('text');
	chart.update('none');
}
