// Rules, admin messages and rules files of the relay. The first byte chooses. What is taken is written in a form that reads back
// to the same, and every answer is JSON.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "apps/relay/admin.h"
#include "apps/relay/json_text.h"
#include "apps/relay/rest.h"

namespace {

using namespace weir::relay;

void must(bool good) {
    if (!good) std::abort();
}

/// One slash at the front is taken off on each reading (VW-19): it is put back for the way around.
template <class Rule>
Rule with_slash(Rule rule) {
    rule.stream.insert(0, "/");
    return rule;
}

template <class Parse>
void round_trip(std::string_view json, Parse parse) {
    const auto rule = parse(json);
    if (!rule) {
        must(!rule.error().what.empty() && rule.error().status != 0);
        return;
    }
    const auto text = to_json(*rule);
    must(static_cast<bool>(parse_json_text(text)));
    const auto again = parse(to_json(with_slash(*rule)));
    if (again) must(to_json(*again) == text);  // a name of the longest kind grows by its slash
}

void rules_file(std::string_view text) {
    const auto rules = parse_rules_file(text);
    if (!rules) return;
    const auto written = rules_file_text(*rules);
    const auto again = parse_rules_file(written);
    must(again && all_json(again->streams) == all_json(rules->streams));
    must(again->destinations.size() == rules->destinations.size());
    must(again->recordings.size() == rules->recordings.size());
}

void console(std::string_view message) {
    Rules rules;
    rules.streams["stream/a"] = {"stream/a", std::vector<std::string>{"v"}};
    rules.destinations["apiRule"] = {"apiRule", "api", "ws://h/", "", ""};
    const auto answer = answer_admin(message, {rules, true});
    must(static_cast<bool>(parse_json_text(answer.reply, 40)));
    apply(rules, answer.change, true);
    must(rules.destinations.contains("apiRule"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 5) {
        case 0:
            round_trip(text, parse_stream_rule);
            break;
        case 1:
            round_trip(text, parse_destination_rule);
            break;
        case 2:
            round_trip(text, parse_recording_rule);
            break;
        case 3:
            rules_file(text);
            break;
        default:
            console(text);
    }
    return 0;
}
