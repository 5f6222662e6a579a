// What FC2 sends. The first byte chooses the reader; what is read is in its form, and the info file reads as what it was made of.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proto/fc2/member.h"
#include "proto/fc2/messages.h"
#include "proto/fc2/quality.h"

namespace {

using namespace weir;

void must(bool good) {
    if (!good) std::abort();
}

template <class T>
void must_name(const Result<T>& got) {
    must(got.error().code == Errc::bad_input || got.error().code == Errc::denied);
    must(!got.error().what.empty());
}

void member(std::string_view in) {
    const auto got = fc2::parse_member(in);
    if (!got) return must_name(got);
    must(got->info_json.ends_with("}\n") && got->metadata.kind() == gotemplate::Kind::structure);
    // Once unescaped, a title could be unescaped again; the rest stays.
    const auto again = fc2::parse_member(R"({"status":1,"data":)" + got->info_json + "}");
    if (!again) return must(got->info_json.size() > 3u << 20);
    must(again->live == got->live && again->channel_id == got->channel_id && again->version == got->version);
    must(again->start == got->start && again->image == got->image && again->drifts.size() <= got->drifts.size() + 1);
}

void message(std::string_view in) {
    const auto got = fc2::parse_message(in);
    if (const auto* response = std::get_if<fc2::Response>(&got))
        for (const int wanted : {52, 90, 0}) {
            const auto choice = fc2::choose_playlist(response->playlists, wanted);
            must(!choice ||
                 (!choice->playlist.url.empty() && choice->playlist.status == 0 && choice->playlist.mode > 2));
        }
    const auto* comments = std::get_if<fc2::Comments>(&got);
    if (!comments) return;
    for (const auto& one : comments->comments) {
        must(one.line.find('\n') == std::string::npos);
        const auto again = fc2::parse_message(R"({"name":"comment","arguments":{"comments":[)" + one.line + "]}}");
        const auto* same = std::get_if<fc2::Comments>(&again);
        if (!same) return must(one.line.size() > 3u << 20);
        must(same->comments.size() == 1 && same->comments[0].line == one.line && same->comments[0].key == one.key);
    }
}

void control_server(std::string_view in) {
    const auto got = fc2::parse_control_server(in);
    if (!got) return must_name(got);
    must(got->url.find("control_token=") != std::string::npos && got->url.find('\n') == std::string::npos);
}

void channel_list(std::string_view in) {
    const auto got = fc2::parse_channel_list(in);
    if (!got) return must_name(got);
    for (const auto& one : *got) must(!one.id.empty());
}

void channel_id(std::string_view in) {
    const auto got = fc2::parse_channel_id(in);
    if (!got) return must_name(got);
    const auto again = fc2::parse_channel_id(*got);
    must(again && *again == *got);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string_view in(reinterpret_cast<const char*>(data + 1), size - 1);
    switch (data[0] % 6) {
        case 0:
            member(in);
            break;
        case 1:
            message(in);
            break;
        case 2:
            control_server(in);
            break;
        case 3:
            channel_list(in);
            break;
        case 4:
            channel_id(in);
            break;
        default:
            (void)fc2::parse_home_page(in);
    }
    return 0;
}
