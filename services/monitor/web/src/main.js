// The start: the application takes the page's body.
import { html } from "htm/preact";
import { render } from "preact";
import { App } from "./app.js";

document.body.textContent = "";
render(html`<${App} />`, document.body);
