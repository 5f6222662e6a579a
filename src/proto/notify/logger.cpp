#include "proto/notify/deliveries.h"
#include "proto/notify/services.h"

// source  notify.md 9
namespace weir::notify {

Made make_logger(const ServiceUrl&) {
    return service_of("logger", [](const Message& message, const Surroundings&) -> Result<std::unique_ptr<Delivery>> {
        return known_call("logger", LogCall{message.title, message.text}, status_between(200, 300));
    });
}

}  // namespace weir::notify
