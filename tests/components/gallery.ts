import { mount } from 'svelte';
import '../../src/app.css';
import Gallery from './Gallery.svelte';
import type { Part } from './states.ts';

const part = location.pathname.slice(1) as Part;
mount(Gallery, { target: document.body, props: { part } });
