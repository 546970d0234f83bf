// uWebSockets with its own publish.  What it is sent is the same as in ws.js.

#include <cstdlib>
#include <string_view>

#include "App.h"

struct Client {};

template <bool TLS> int serve(uWS::TemplatedApp<TLS> app, int port)
{
    app.template ws<Client>("/*", {
        .compression = uWS::DISABLED,
        .maxPayloadLength = 1024 * 1024,
        .idleTimeout = 120,
        // Enough for what the bench has under way, and a bound for one that stalls.
        .maxBackpressure = 4 * 1024 * 1024,
        .message = [&app](auto *socket, std::string_view text, uWS::OpCode) {
            if (text.front() == 's') {
                socket->subscribe(text.substr(1));
                socket->send("s", uWS::TEXT);
                return;
            }
            size_t line = text.find('\n');
            app.publish(text.substr(1, line - 1), text.substr(line + 1), uWS::TEXT);
        },
    }).listen("127.0.0.1", port, [](auto *listening) {
        if (!listening)
            std::exit(1);
    }).run();
    return 0;
}

int main(int argc, char **argv)
{
    int port = std::atoi(argv[1]);
#ifndef LIBUS_NO_SSL
    if (argc > 3)
        return serve<true>(uWS::SSLApp({.key_file_name = argv[2], .cert_file_name = argv[3]}), port);
#endif
    return serve<false>(uWS::App(), port);
}
