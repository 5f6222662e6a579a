// The picture that comes to this port, on whatever host and scheme this page was opened.
'use strict';

const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
const said = document.getElementById('said');
new JSMpeg.Player(`${scheme}//${location.host}/`, {
  canvas: document.getElementById('picture'), disableWebAssembly: true, preserveDrawingBuffer: true,
  onVideoDecode: () => { said.hidden = true; },
});
