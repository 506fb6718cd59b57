// Line icons of the top bar, drawn in a box of 16 by 16.
import { html } from "htm/preact";

const paths = {
	sun: "M8 5.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6zM8 1.2v1.4M8 13.4v1.4M1.2 8h1.4M13.4 8h1.4M3.2 3.2l1 1M11.8 11.8l1 1M12.8 3.2l-1 1M4.2 11.8l-1 1",
	moon: "M13.4 9.7A5.8 5.8 0 0 1 6.3 2.6a5.8 5.8 0 1 0 7.1 7.1z",
	key: "M10.2 1.8a4 4 0 1 1-1.3 7.8L7.6 10.900 6.200 10.900V12.300H4.800V13.700H2.200V11.200L6.400 7.100A4 4 0 0 1 10.2 1.8zM11.200 4.800v.01",
	help: "M5.900 6a2.100 2.100 0 1 1 3.100 1.850c-.7.4-1 .8-1 1.650M8 11.900v.01M8 1.400a6.600 6.600 0 1 1 0 13.200A6.600 6.600 0 0 1 8 1.400z",
	plus: "M8 3v10M3 8h10",
	minus: "M3 8h10",
	fit: "M2 5.500V2h3.500M10.500 2H14v3.500M14 10.500V14h-3.500M5.500 14H2v-3.500",
	pause: "M5.500 3v10M10.500 3v10",
	play: "M4.500 2.800 12.500 8l-8 5.200z",
};

export const Icon = ({ name }) =>
	html`<svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
		<path d=${paths[name]} fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" />
	</svg>`;
