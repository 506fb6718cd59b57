import { html } from "htm/preact";
import { Empty } from "../ui/parts.js";

export const Lost = () => html`<div class="sheet"><${Empty} title="There is no such page"><a href="#/">To the overview</a><//></div>`;
