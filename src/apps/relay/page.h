#pragma once
#include "apps/relay/access.h"
#include "io/http_server.h"

namespace weir::relay {

/// The relay's page for people: `GET /` for who prefers HTML (others get vw's 404, VW-16), its files below /page/. It shows what
/// /api/stats says and each feed by jsmpeg or mpegts.js; all of it is built in, nothing is loaded from elsewhere (lesson 17).
/// It holds no secrets, so it asks for no token: what it reads does.
/// threads  any
void add_page_routes(HttpServer& server, const Access& access);

/// jsmpeg's static page (JS-19): canvas and player, on the port of its websockets, with the files it needs. False: another path,
/// or no browser.
Task<bool> answer_jsmpeg_page(Exchange& exchange);

}  // namespace weir::relay
