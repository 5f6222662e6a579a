#pragma once
#include <memory>

#include "proto/notify/service.h"
#include "proto/notify/service_url.h"

/// The makers behind make_service()'s table; each service has a .cpp of its own (services_*.cpp where several are small and alike).
namespace weir::notify {

using Made = Result<std::unique_ptr<Service>>;

// first half
Made make_bark(const ServiceUrl& url);
Made make_discord(const ServiceUrl& url);
Made make_generic(const ServiceUrl& url);
Made make_googlechat(const ServiceUrl& url);  ///< and hangouts
Made make_gotify(const ServiceUrl& url);
Made make_ifttt(const ServiceUrl& url);
Made make_join(const ServiceUrl& url);
Made make_lark(const ServiceUrl& url);
Made make_logger(const ServiceUrl& url);
Made make_mattermost(const ServiceUrl& url);
Made make_notifiarr(const ServiceUrl& url);
Made make_ntfy(const ServiceUrl& url);
Made make_pushbullet(const ServiceUrl& url);
Made make_pushover(const ServiceUrl& url);

// second half
Made make_matrix(const ServiceUrl& url);
Made make_mqtt(const ServiceUrl& url);  ///< and mqtts
Made make_opsgenie(const ServiceUrl& url);
Made make_pagerduty(const ServiceUrl& url);
Made make_rocketchat(const ServiceUrl& url);
Made make_signal(const ServiceUrl& url);
Made make_slack(const ServiceUrl& url);
Made make_smtp(const ServiceUrl& url);
Made make_teams(const ServiceUrl& url);  ///< of today, and the old form (14)
Made make_telegram(const ServiceUrl& url);
Made make_twilio(const ServiceUrl& url);
Made make_wecom(const ServiceUrl& url);
Made make_zulip(const ServiceUrl& url);

}  // namespace weir::notify
