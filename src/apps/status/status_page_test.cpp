#include "apps/status/page.h"

#include <gtest/gtest.h>

namespace weir::status {
namespace {

TEST(StatusNegotiation, WhoNamesHtmlGetsThePage) {
    for (const std::string accept :
         {"text/html", "TEXT/HTML", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
          "application/json;q=0.5, text/html;q=0.7", "application/xhtml+xml", "text/html;charset=utf-8;q=0.3,*/*",
          "text/html, application/json"})
        EXPECT_TRUE(prefers_html(&accept)) << accept;
}

TEST(StatusNegotiation, EverybodyElseGetsTheJson) {
    EXPECT_FALSE(prefers_html(nullptr));
    for (const std::string accept :
         {"", "*/*", "application/json", "text/*", "text/plain", "text/html;q=0", "text/html;q=0.2, application/json",
          "application/json, text/html;q=0.9", "text/htmlx", ";q=1", ",,,", "text/html;q=-1"})
        EXPECT_FALSE(prefers_html(&accept)) << accept;
}

}  // namespace
}  // namespace weir::status
