// Sockets as programs use them: what the live kernel's loopback does is what must come out.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "tests/loader/in_directory.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

using namespace trapline;
using namespace trapline::test;

TEST_SUITE("sockets of programs") {
    TEST_CASE("calls on sockets answer as the live kernel does") {
        for (const char* part : {"unix", "much", "rights", "datagrams", "udp", "tcp", "ipv6", "options", "servers"})
            check_in_directory({TRAPLINE_SOCKET_CALLS, part});
    }

    TEST_CASE("servers and clients of the system find each other") {
        const std::string http = "import socketserver, socket, threading, http.server, urllib.request\n"
                                 "open('x','w').write('content\\n' * 1000)\n"
                                 "class H(http.server.SimpleHTTPRequestHandler):\n"
                                 "  def log_message(self, *a): pass\n"
                                 "h = http.server.ThreadingHTTPServer(('localhost', 0), H)\n"
                                 "threading.Thread(target=h.serve_forever, daemon=True).start()\n"
                                 "print(len(urllib.request.urlopen('http://localhost:%d/x' % h.server_port).read()))\n"
                                 "h.shutdown()\n";
        check_in_directory({"/usr/bin/python3", "-c", http});
    }

    TEST_CASE("nothing leaves the machine, and the host's own sockets are not there") {
        TemporaryDirectory dir;
        const HostFd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        REQUIRE(::bind(tcp.get(), reinterpret_cast<sockaddr*>(&at), size) == 0);
        REQUIRE(::listen(tcp.get(), 5) == 0);
        REQUIRE(::getsockname(tcp.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
        const HostFd door(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un path{};
        path.sun_family = AF_UNIX;
        (dir.path / "door").string().copy(path.sun_path, sizeof path.sun_path - 1);
        REQUIRE(::bind(door.get(), reinterpret_cast<sockaddr*>(&path), sizeof path) == 0);
        REQUIRE(::listen(door.get(), 5) == 0);

        const std::string program =
            "import socket, errno\n"
            "def say(family, kind, *where):\n"
            "  try: socket.socket(family, kind).connect(*where); print('connected')\n"
            "  except OSError as e: print(errno.errorcode[e.errno])\n"
            "for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):\n"
            "  for host in ('192.0.2.1', '255.255.255.255', '224.0.0.1'): say(socket.AF_INET, kind, (host, 80))\n"
            "  say(socket.AF_INET6, kind, ('2001:db8::1', 80))\n"
            "say(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', " +
            std::to_string(ntohs(at.sin_port)) +
            "))\n"
            "say(socket.AF_UNIX, socket.SOCK_STREAM, 'door')\n"
            "say(socket.AF_NETLINK, socket.SOCK_RAW, (0, 0))\n"
            "say(socket.AF_PACKET, socket.SOCK_RAW, ('lo', 0))\n";
        RunOptions options;
        options.directory = dir.path;
        options.write = {dir.path};
        if (::access("/usr/bin/python3", X_OK) != 0) return;
        const Ran ran = run_emulated({"/usr/bin/python3", "-c", program}, options);
        std::string expected;
        for (int i = 0; i < 8; ++i) expected += "ENETUNREACH\n";
        CHECK(ran.out == expected + "ECONNREFUSED\nECONNREFUSED\nEAFNOSUPPORT\nEAFNOSUPPORT\n");
        CHECK(ran.err == "");
        pollfd waiting[2] = {{tcp.get(), POLLIN, 0}, {door.get(), POLLIN, 0}};
        CHECK(::poll(waiting, 2, 0) == 0);
    }
}
