#include "mta/cli/remote/api_client.h"

#include <curl/curl.h>

#include <cerrno>
#include <memory>
#include <system_error>

namespace mta::cli {
namespace {

constexpr long timeout_s = 30;
constexpr std::size_t answer_bytes_max = 64u << 20;

struct EasyCloser {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListCloser {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::size_t take_bytes(char* bytes, std::size_t one, std::size_t count, void* answer) {
    auto& text = *static_cast<std::string*>(answer);
    if (text.size() + one * count > answer_bytes_max) return 0;
    text.append(bytes, one * count);
    return one * count;
}

ApiError connection_error(CURLcode code, long os_error, const std::string& path) {
    if (os_error == EACCES || os_error == EPERM) {
        return {ApiError::Kind::no_permission,
                "no permission to use " + path +
                    ": run this as root, or as a member of the group that the socket belongs to"};
    }
    if (os_error == ENOENT || os_error == ECONNREFUSED || code == CURLE_COULDNT_CONNECT) {
        return {ApiError::Kind::not_running,
                "the relay is not running (nobody listens on " + path +
                    "). Start it with: systemctl start posthouse, or posthouse serve"};
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return {ApiError::Kind::broken, "the relay did not answer within " +
                                            std::to_string(timeout_s) + " s (" + path + ')'};
    }
    return {ApiError::Kind::broken,
            "no answer from the relay at " + path + ": " + curl_easy_strerror(code)};
}

ApiClient::Answer answer_of(long http_status, const std::string& body) {
    auto answer = nlohmann::json::parse(body, nullptr, false);
    if (http_status == 200 && !answer.is_discarded()) return answer;
    if (http_status != 200 && answer.is_object() && answer.contains("error") &&
        answer["error"].is_string()) {
        return std::unexpected(ApiError{ApiError::Kind::refused, answer["error"].get<std::string>(),
                                        static_cast<std::uint32_t>(http_status)});
    }
    return std::unexpected(ApiError{
        ApiError::Kind::broken,
        "what answers on the socket does not speak like a relay (HTTP status " +
            std::to_string(http_status) + "); are this command and the relay of one version?"});
}

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~' || c == '@';
}

}  // namespace

std::string ApiClient::escape(std::string_view segment) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string out;
    for (const char c : segment) {
        if (is_unreserved(c)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += hex[byte >> 4];
        out += hex[byte & 15];
    }
    return out;
}

ApiClient::Answer ApiClient::get(const std::string& path, const Parameters& query) const {
    std::string target = path;
    for (const auto& [name, value] : query) {
        if (value.empty()) continue;
        target += target.contains('?') ? '&' : '?';
        target += escape(name) + '=' + escape(value);
    }
    return exchange(target, nullptr);
}

ApiClient::Answer ApiClient::post(const std::string& path, const nlohmann::json& body) const {
    const auto text = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return exchange(path, &text);
}

ApiClient::Answer ApiClient::exchange(const std::string& path, const std::string* body) const {
    const std::unique_ptr<CURL, EasyCloser> easy(curl_easy_init());
    if (!easy) return std::unexpected(ApiError{.text = "cannot start libcurl"});
    std::string answer;
    const auto url = "http://localhost" + path;
    const std::unique_ptr<curl_slist, ListCloser> headers(
        curl_slist_append(curl_slist_append(nullptr, "Content-Type: application/json"),
                          "Expect:"));  // no waiting for "100 Continue"
    curl_easy_setopt(easy.get(), CURLOPT_UNIX_SOCKET_PATH, socket_path_.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");
    curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT, timeout_s);
    curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &answer);
    if (body != nullptr) {
        curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(body->size()));
        curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, body->data());
    }
    const auto code = curl_easy_perform(easy.get());
    if (code != CURLE_OK) {
        long os_error = 0;
        curl_easy_getinfo(easy.get(), CURLINFO_OS_ERRNO, &os_error);
        return std::unexpected(connection_error(code, os_error, socket_path_));
    }
    long http_status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &http_status);
    return answer_of(http_status, answer);
}

int fail(CommandIo& io, const ApiError& error) {
    io.err << "posthouse: " << error.text << '\n';
    return exit_failed;
}

}  // namespace mta::cli
