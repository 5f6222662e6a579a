#pragma once
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>

namespace weir::test {

/// A self-signed certificate, at first for localhost and 127.0.0.1, made on the spot, with its server context.
class TestCertificate {
public:
    /// `names` as OpenSSL writes them; good from and to so many seconds from now.
    explicit TestCertificate(const char* names = "DNS:localhost,IP:127.0.0.1", long from = -3600, long to = 3600)
        : key_(EVP_EC_gen("P-256"), EVP_PKEY_free), certificate_(X509_new(), X509_free) {
        auto* const x = certificate_.get();
        X509_set_version(x, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
        X509_gmtime_adj(X509_getm_notBefore(x), from);
        X509_gmtime_adj(X509_getm_notAfter(x), to);
        X509_set_pubkey(x, key_.get());
        auto* const name = X509_get_subject_name(x);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("weir test"), -1,
                                   -1, 0);
        X509_set_issuer_name(x, name);
        add(NID_basic_constraints, "critical,CA:TRUE");
        add(NID_subject_alt_name, names);
        X509_sign(x, key_.get(), EVP_sha256());
        SSL_CTX_use_certificate(context_.get(), x);
        SSL_CTX_use_PrivateKey(context_.get(), key_.get());
    }

    [[nodiscard]] SSL_CTX* context() const { return context_.get(); }
    /// Writes the certificate, as a user's own CA file would hold it.
    void write(const std::string& path) const {
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
        PEM_write_X509(file.get(), certificate_.get());
    }
    void write_key(const std::string& path) const {
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
        PEM_write_PrivateKey(file.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    }

private:
    void add(int nid, const char* value) {
        const std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION*)> e(
            X509V3_EXT_conf_nid(nullptr, nullptr, nid, value), X509_EXTENSION_free);
        X509_add_ext(certificate_.get(), e.get(), -1);
    }
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
    std::unique_ptr<X509, void (*)(X509*)> certificate_;
    std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{SSL_CTX_new(TLS_server_method()), SSL_CTX_free};
};

}  // namespace weir::test
