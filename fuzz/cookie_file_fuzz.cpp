// Cookie files come from browsers, extensions and editors, Set-Cookie from anybody: the same bytes are tried as both.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "io/cookie_jar.h"
#include "io/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static const WallTime now = from_unix_millis(1'750'000'000'000);
    static const Url page = parse_url("https://www.site.test/a/b?c").value();
    static const Url other = parse_url("https://elsewhere.test/").value();

    CookieJar jar;
    if (jar.import_netscape(text, now)) {
        // What was read must come back from our own file, character for character.
        const auto written = jar.export_netscape();
        CookieJar again;
        if (!again.import_netscape(written, now) || again.export_netscape() != written) std::abort();
    } else if (!jar.all().empty()) {
        std::abort();
    }
    CookieJar from_page;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        from_page.store(page, text.substr(at, end - at), now);
        at = end + 1;
    }
    if (!from_page.header_for(other, now).empty()) std::abort();
    const auto header = from_page.header_for(page, now) + jar.header_for(page, now);
    if (header.find_first_of("\r\n") != header.npos) std::abort();
    return 0;
}
