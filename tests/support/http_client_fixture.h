#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/http_client.h"
#include "io/resolver.h"
#include "on_shard.h"
#include "script_server.h"

namespace weir::test {

/// A client whose name server knows exactly the names of `names_`, in an environment without proxies.
class HttpClientFixture : public testing::Test {
protected:
    HttpClientFixture() {
        for (const char* name :
             {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE"})
            unsetenv(name);
    }
    ~HttpClientFixture() override { unsetenv("SSL_CERT_FILE"); }

    static HttpRequest get(std::string_view url) {
        HttpRequest request;
        request.url = parse_url(url).value();
        return request;
    }
    void run(const std::function<Task<void>(HttpClient&, Shard&)>& body) {
        on_shard([&](Shard& shard) -> Task<void> {
            const auto client = HttpClient::create(shard, resolver_, HttpClient::Settings{});
            co_await body(*client, shard);
        });
    }
    Result<HttpResponse> fetch(const HttpRequest& request) {
        std::optional<Result<HttpResponse>> out;
        run([&](HttpClient& client, Shard&) -> Task<void> { out = co_await client.fetch(request); });
        return std::move(*out);
    }

    std::map<std::string, std::vector<std::string>> names_;
    std::shared_ptr<Resolver> resolver_ =
        Resolver::create(2, [this](const std::string& host) -> Result<std::vector<std::string>> {
            if (const auto found = names_.find(host); found != names_.end()) return found->second;
            return Error{Errc::unreachable, fmt::format("cannot resolve {}: no such name here", host)};
        });
};

}  // namespace weir::test
