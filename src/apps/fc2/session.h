#pragma once
#include <memory>
#include <string>

#include "apps/fc2/api.h"

namespace weir::fc2 {

/// What a session of one live needs.
struct SessionPlan {
    Shard& shard;
    std::shared_ptr<Resolver> resolver;
    Api& api;
    const Site::Settings& settings;
    std::shared_ptr<const void> keep;  ///< what `api` and `settings` are part of
    std::string channel, version;
    std::int64_t start = 0;  ///< of the live, unix seconds; 0: not said
    Params params;
};

/// The control websocket of one live, renewed for as long as the live is recorded.
///
/// open      waits for the wished quality as FC2-43 means it: what there is at the last try is taken, also when that try gets no answer
/// cut       close codes, FIN, RST and silence are cuts (FC2-27): a new line, new playlists, Listener::follow
/// over      publish_stop; or memberApi says so, asked when lines cannot be had or do not last
/// refusal   4101, 4507 at once; 4512 after some tries, as our own old line may be what the server still holds
std::unique_ptr<sites::Session> make_session(SessionPlan plan, sites::Session::Listener listener);

}  // namespace weir::fc2
