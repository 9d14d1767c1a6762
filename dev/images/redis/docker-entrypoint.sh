#!/bin/sh
# Start Redis as the official image does: options alone are redis-server's, and root becomes uid 999.
set -eu
case "${1:-}" in
  -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "${1:-}" = redis-server ]; then
  # The official image is compiled without protected mode: behind a Service every client comes from elsewhere.
  case " $* " in
    *" --protected-mode "*) ;;
    *) set -- "$@" --protected-mode no ;;
  esac
  if [ "$(id -u)" = 0 ]; then
    chown 999:999 .
    exec setpriv --reuid=999 --regid=999 --clear-groups "$@"
  fi
fi
exec "$@"
