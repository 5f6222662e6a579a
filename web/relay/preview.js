// Shows a feed in a box: MPEG-1 by jsmpeg (a canvas), H.264 and HEVC by mpegts.js (a video element).
'use strict';

const weirPreview = (() => {
  const has = (tracks, kind, codecs) => tracks.some((t) => t.kind === kind && codecs.includes(t.codec));

  /// Which player can show these tracks: "jsmpeg", "mpegts", or null with the reason.
  function playerFor(tracks) {
    if (has(tracks, 'video', ['mpeg1video', 'mpeg2video'])) return {player: 'jsmpeg'};
    if (has(tracks, 'video', ['h264', 'hevc'])) return {player: 'mpegts'};
    if (tracks.some((t) => t.kind === 'video')) return {why: 'No player here shows this kind of video.'};
    if (has(tracks, 'audio', ['mp2', 'mp1', 'mp3'])) return {player: 'jsmpeg'};
    if (has(tracks, 'audio', ['aac'])) return {player: 'mpegts'};
    return {why: tracks.length ? 'No player here plays this.' : 'No picture and no sound in here (yet).'};
  }

  function showJsmpeg(box, url, tracks, say) {
    const canvas = document.createElement('canvas');
    box.append(canvas);
    const video = tracks.some((t) => t.kind === 'video');
    const player = new JSMpeg.Player(url, {
      canvas, video, audio: true, disableGl: false, disableWebAssembly: true, preserveDrawingBuffer: true,
      onSourceEstablished: () => say(''),
    });
    return () => player.destroy();
  }

  function showMpegts(box, url, tracks, say) {
    if (!mpegts.isSupported()) {
      say('This browser has no Media Source Extensions: watch it with VLC or ffplay instead.');
      return () => {};
    }
    const video = document.createElement('video');
    video.muted = true;
    video.autoplay = video.controls = video.playsInline = true;
    box.append(video);
    const player = mpegts.createPlayer(
      {type: 'mpegts', isLive: true, url, hasVideo: tracks.some((t) => t.kind === 'video'),
       hasAudio: tracks.some((t) => t.kind === 'audio')},
      {liveBufferLatencyChasing: true, enableStashBuffer: false});
    player.on(mpegts.Events.ERROR, (kind, detail) => say(`${kind}: ${detail}`));
    player.attachMediaElement(video);
    player.load();
    Promise.resolve(player.play()).catch(() => {});
    return () => player.destroy();
  }

  /// Fills `box`; returns what ends it, or null after saying why not.
  function show(box, url, tracks, say) {
    const {player, why} = playerFor(tracks);
    if (!player) {
      say(why);
      return null;
    }
    say('waiting for the picture…');
    return (player === 'jsmpeg' ? showJsmpeg : showMpegts)(box, url, tracks, say);
  }

  return {show, playerFor};
})();
