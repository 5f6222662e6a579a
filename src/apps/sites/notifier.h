#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "apps/sites/events.h"
#include "apps/sites/notifier_config.h"
#include "base/error.h"
#include "io/http_client.h"
#include "proto/notify/service.h"
#include "runtime/shard.h"

namespace weir::sites {

/// What one program says by default (notify.md 2): fc2-live-dl-go's and withny-dl's texts differ.
struct NotifierWords {
    std::string program = "fc2-live-dl-go";  ///< before every title
    std::map<std::string, NotifierConfig::Format> formats = {};
};
[[nodiscard]] NotifierWords fc2_words();

/// The words, with what the configuration puts in their place: `enabled` when it is there, texts when they are not empty, a priority
/// when it is not 0 (FC2-130).
[[nodiscard]] NotifierConfig::Format format_of(const std::string& event, const NotifierConfig& config,
                                               const NotifierWords& words);
/// Errors: bad_input: a line for each template that cannot be read, "notificationFormats.EVENT.title: " and Go's text.
[[nodiscard]] Result<> check_formats(const NotifierConfig& config, const NotifierWords& words);

/// One event as a message; nothing when the event is switched off. Errors: a template's, by Go's text.
[[nodiscard]] Result<std::optional<notify::Message>> message_of(const Event& event, const NotifierConfig& config,
                                                                const NotifierWords& words);

/// Events to notifications: templates, switches, services; takes a new configuration while it runs.
///
/// configure  another configuration replaces the old one at once; what is queued still goes out. `enabled: false` stops it (the
///            reference went on: FC2-116). Errors: bad_input: each URL that is wrong by number and scheme, each template by event key;
///            the old configuration stays
/// sink       logs each event (as log_events does), and sends it
/// stop       what is queued is sent for at most 3 s
/// threads  one shard
class Notifier {
public:
    Notifier(Shard& shard, HttpClient& http, NotifierWords words);
    ~Notifier();  ///< stop() was awaited
    Result<> configure(const NotifierConfig& config);
    [[nodiscard]] EventSink sink();
    Task<void> stop();

private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace weir::sites
