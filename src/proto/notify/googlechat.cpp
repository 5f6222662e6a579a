#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "proto/notify/deliveries.h"
#include "proto/notify/services.h"

// source  notify.md 5.3; a title has no place there: it stands before the text (4)
namespace weir::notify {

Made make_googlechat(const ServiceUrl& url) {
    if (url.host.empty() || url.segments().empty())
        return unfit_for_service("no address; it stands as googlechat://chat.googleapis.com/v1/spaces/...");
    std::vector<std::pair<std::string, std::string>> keys;
    for (const std::string name : {"key", "token"}) {
        const auto* value = url.find(name);
        if (!value || value->empty()) return unfit_for_service(fmt::format("option {} is missing", name));
        keys.emplace_back(name, *value);
    }
    auto target =
        fmt::format("https://{}{}?{}", url.authority(), safe_path(url.raw_path), form_encoded(std::move(keys)));
    return service_of(url.scheme,
                      [target, scheme = url.scheme](const Message& message,
                                                    const Surroundings&) -> Result<std::unique_ptr<Delivery>> {
                          boost::json::object body;
                          body["text"] = titled(message);
                          return known_call(scheme, json_call(target, boost::json::serialize(body)),
                                            status_between(200, 300));
                      });
}

}  // namespace weir::notify
