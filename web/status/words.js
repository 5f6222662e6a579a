// What the status says, in words for people.
'use strict';

const weirWords = (() => {
  const size = (bytes) => {
    const units = ['B', 'kB', 'MB', 'GB', 'TB'];
    let n = 0;
    while (bytes >= 1000 && n < units.length - 1) { bytes /= 1000; ++n; }
    return `${n ? bytes.toFixed(bytes < 10 ? 2 : bytes < 100 ? 1 : 0) : bytes} ${units[n]}`;
  };
  const rate = (bytesPerSecond) => {
    const bits = bytesPerSecond * 8;
    return bits >= 1e6 ? `${(bits / 1e6).toFixed(2)} Mbit/s` : `${(bits / 1e3).toFixed(0)} kbit/s`;
  };
  const two = (n) => String(n).padStart(2, '0');
  const length = (seconds) => {
    const s = Math.floor(seconds), h = Math.floor(s / 3600), m = Math.floor(s % 3600 / 60);
    return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
  };
  const span = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return s < 600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 60)} min`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
  };
  const many = (n, one, more = `${one}s`) => `${n} ${n === 1 ? one : more}`;
  /// In the time zone of who reads; the day only when it is another one.
  const time = (iso) => {
    const t = new Date(iso);
    if (Number.isNaN(t.getTime())) return iso;
    const clock = t.toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', second: '2-digit'});
    return t.toDateString() === new Date().toDateString() ? clock : `${t.toLocaleDateString([], {day: 'numeric', month: 'short'})} ${clock}`;
  };

  const lastError = (channel) => channel.errors_log[channel.errors_log.length - 1];

  /// How a channel stands: `kind` sorts and filters, `text` is read.
  function standing(channel) {
    const failed = channel.state === 'IDLE' && channel.reason && lastError(channel)?.error === channel.reason;
    if (channel.blind) return {kind: 'trouble', order: 3, text: 'Cannot tell if live'};
    if (failed) return {kind: 'trouble', order: 3, text: 'Failed'};
    switch (channel.state) {
      case 'DOWNLOADING': return {kind: 'recording', order: 0, text: 'Recording'};
      case 'PREPARING_FILES': return {kind: 'recording', order: 1, text: 'Getting ready'};
      case 'POST_PROCESSING': return {kind: 'recording', order: 2, text: 'Finishing the file'};
      case 'FINISHED': return {kind: 'waiting', order: 4, text: 'Finished'};
      case 'CANCELED': return {kind: 'waiting', order: 6, text: 'Stopped'};
      case 'IDLE': return {kind: 'waiting', order: 5, text: 'Waiting'};
      default: return {kind: 'waiting', order: 7, text: 'Starting'};
    }
  }

  function losses(recording) {
    if (recording.missing) return `${many(recording.missing, 'segment')} in ${many(Math.max(1, recording.gaps), 'gap')}`;
    return recording.gaps ? many(recording.gaps, 'gap') : 'none';
  }

  const labels = (channel) => Object.entries(channel.labels || {}).map(([key, value]) => `${key}: ${value}`).join(', ');

  return {size, rate, length, span, many, time, standing, losses, labels};
})();
