// An address that leads nowhere.
import { html } from "htm/preact";
import { Empty } from "../ui/parts.js";

export const Lost = () => html`<h1 class="unseen" tabindex="-1">Not here</h1>
		<div class="sheet"><${Empty} title="There is no such page"><a href="#/">To the overview</a><//></div>`;
