#pragma once
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/url.h"

namespace weir {

/// Every URL that did not come from the user's own hand goes through here: schemes, resolved address, redirects too
/// (CVE-2016-1897, CVE-2017-9993, CVE-2023-6605, CVE-2026-44353).
class UrlGuard {
public:
    /// `trusted`: what the user typed. Its own host (and, when that host is itself an inner one, every inner address) is allowed;
    /// otherwise addresses that are loopback, private, link-local, unique-local, multicast, unspecified or mapped to such are refused.
    explicit UrlGuard(const Url& trusted);
    /// Scheme (http, https only) and literal addresses. denied, with the host named.
    [[nodiscard]] Result<> check(const Url& url) const;
    /// The address a name resolved to (numeric text).
    [[nodiscard]] Result<> check_address(const Url& url, std::string_view address) const;
    /// An https source may not send us to http with credentials; used on redirects.
    [[nodiscard]] Result<> check_redirect(const Url& from, const Url& to) const;

private:
    std::string trusted_host_;
    bool inner_allowed_ = false;
};

[[nodiscard]] bool is_inner_address(std::string_view numeric);

}  // namespace weir
