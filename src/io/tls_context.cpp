#include "io/tls_context.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "io/http_client_transfer.h"

namespace weir::net {
namespace {

constexpr Millis look_every{1000};
constexpr std::size_t contexts_kept = 4;

TlsContext make_context(const SSL_METHOD* method) {
    ERR_clear_error();
    TlsContext context(SSL_CTX_new(method), SSL_CTX_free);
    if (!context) return context;
    auto* const raw = context.get();
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    SSL_CTX_set_mode(raw,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    // A peer that just closes is common; whether its message was whole is for the layer above to say.
    SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_read_ahead(raw, 1);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    return context;
}

Error file_error(const char* what, const std::string& file, std::string_view why) {
    return Error{Errc::bad_input, fmt::format("{} {}: {}", what, file, why)};
}

/// errno says more about a file than OpenSSL does.
Result<> can_read(const char* what, const std::string& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        auto error = from_errno(errno, "");
        auto why = error.what;
        if (!why.empty() && why[0] >= 'A' && why[0] <= 'Z') why[0] = static_cast<char>(why[0] - 'A' + 'a');
        return Error{error.code, fmt::format("cannot read {} {}: {}", what, file, why)};
    }
    struct stat about {};
    const bool folder = ::fstat(fd, &about) == 0 && S_ISDIR(about.st_mode);
    ::close(fd);
    if (folder) return file_error(what, file, "is a folder");
    return {};
}

std::string reason() {
    const auto code = ERR_peek_last_error();
    const char* const text = code ? ERR_reason_error_string(code) : nullptr;
    ERR_clear_error();
    return text ? text : "unusable";
}

/// Only HTTP/1.1 is spoken here.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned int in_size,
                    void*) {
    static constexpr std::string_view ours = "http/1.1";
    for (unsigned int at = 0; at < in_size; at += 1u + in[at]) {
        const std::string_view name(reinterpret_cast<const char*>(in + at + 1), in[at]);
        if (name != ours) continue;
        *out = in + at + 1;
        *size = in[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

Result<TlsContext> server_context(const std::string& certificate, const std::string& key) {
    constexpr const char *the_certificate = "tls certificate", *the_key = "tls key";
    if (auto r = can_read(the_certificate, certificate); !r) return r.error();
    if (auto r = can_read(the_key, key); !r) return r.error();
    auto context = make_context(TLS_server_method());
    if (!context) return Error{Errc::internal, "openssl gave no context"};
    auto* const raw = context.get();
    static constexpr unsigned char id[] = "weir";
    SSL_CTX_set_session_id_context(raw, id, sizeof id - 1);
    SSL_CTX_set_num_tickets(raw, 1);
    SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
    // Nobody is there to type a passphrase.
    SSL_CTX_set_default_passwd_cb(raw, [](char*, int, int, void*) { return -1; });
    if (SSL_CTX_use_certificate_chain_file(raw, certificate.c_str()) != 1)
        return file_error(the_certificate, certificate, fmt::format("holds no usable PEM certificate ({})", reason()));
    if (SSL_CTX_use_PrivateKey_file(raw, key.c_str(), SSL_FILETYPE_PEM) != 1) {
        const auto code = ERR_peek_last_error();
        if (ERR_GET_LIB(code) == ERR_LIB_X509)
            return file_error(the_key, key, fmt::format("does not belong to the certificate {}", certificate));
        return file_error(the_key, key, fmt::format("holds no usable PEM key without passphrase ({})", reason()));
    }
    if (SSL_CTX_check_private_key(raw) != 1)
        return file_error(the_key, key, fmt::format("does not belong to the certificate {}", certificate));
    ERR_clear_error();
    return context;
}

struct Trust {
    std::string file, folder;
    std::int64_t seconds = 0, nanoseconds = 0, size = 0;
    bool operator==(const Trust&) const = default;
};

Trust trust_for(const std::string& ca_file) {
    Trust trust;
    trust.file = ca_file;
    if (ca_file.empty()) {
        const auto store = http_detail::TrustStore::from_environment();
        trust.file = store.file;
        trust.folder = store.folder;
    }
    struct stat about {};
    if (!trust.file.empty() && ::stat(trust.file.c_str(), &about) == 0) {
        trust.seconds = about.st_mtim.tv_sec;
        trust.nanoseconds = about.st_mtim.tv_nsec;
        trust.size = about.st_size;
    }
    return trust;
}

Result<TlsContext> read_trust(const Trust& trust) {
    constexpr const char* what = "trusted certificates";
    auto context = make_context(TLS_client_method());
    if (!context) return Error{Errc::internal, "openssl gave no context"};
    if (!trust.file.empty()) {
        if (auto r = can_read(what, trust.file); !r) return r.error();
        if (SSL_CTX_load_verify_file(context.get(), trust.file.c_str()) != 1)
            return file_error(what, trust.file, fmt::format("no usable PEM certificate in it ({})", reason()));
    }
    if (!trust.folder.empty() && SSL_CTX_load_verify_dir(context.get(), trust.folder.c_str()) != 1)
        return file_error(what, trust.folder, reason());
    return context;
}

}  // namespace

Result<TlsContext> client_context(const std::string& ca_file) {
    static std::mutex mutex;
    static std::vector<std::pair<Trust, TlsContext>> known;
    const auto trust = trust_for(ca_file);
    const std::lock_guard lock(mutex);
    const auto found = std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.first == trust; });
    if (found != known.end()) return found->second;
    auto context = read_trust(trust);
    if (!context) return context.error();
    if (known.size() >= contexts_kept) known.erase(known.begin());
    known.emplace_back(trust, *context);
    return context;
}

std::array<ServerCertificate::Stamp, 2> ServerCertificate::stamps() const {
    std::array<Stamp, 2> out;
    for (std::size_t i = 0; i < out.size(); ++i) {
        struct stat about {};
        if (::stat(files_[i].c_str(), &about) != 0) continue;
        out[i] = {about.st_mtim.tv_sec, about.st_mtim.tv_nsec, about.st_size, about.st_ino};
    }
    return out;
}

Result<> ServerCertificate::load() {
    if (files_[0].empty() || files_[1].empty())
        return Error{Errc::bad_input, "tls needs both a certificate and its key"};
    seen_ = stamps();
    auto context = server_context(files_[0], files_[1]);
    if (!context) return context.error();
    context_ = std::move(*context);
    return {};
}

const TlsContext& ServerCertificate::current(SteadyTime now) {
    if (now < next_look_) return context_;
    next_look_ = now + look_every;
    if (stamps() == seen_) return context_;
    if (auto r = load(); r)
        WEIR_LOG(info, "the tls certificate was renewed", {"certificate", files_[0]});
    else
        WEIR_LOG(error, "the changed tls certificate cannot be used; the old one stays", {"error", r.error().text()});
    return context_;
}

}  // namespace weir::net
