# SPDX-License-Identifier: Apache-2.0
"""curl_gnutls.py URL CA HEADER... < BODY: a POST by libcurl's GnuTLS build, without a binding of its own; prints the answer."""

import ctypes
import sys

URL, CA, POST, LEN, HEADERS = 10002, 10065, 10015, 60, 10023  # curl/curl.h: CURLOPT_

curl = ctypes.CDLL("libcurl-gnutls.so.4")
curl.curl_easy_init.restype = curl.curl_slist_append.restype = ctypes.c_void_p
curl.curl_slist_append.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
body = sys.stdin.buffer.read()
easy = ctypes.c_void_p(curl.curl_easy_init())
head = None
for line in sys.argv[3:]:
    head = curl.curl_slist_append(head, line.encode())
for option, value in ((URL, ctypes.c_char_p(sys.argv[1].encode())), (CA, ctypes.c_char_p(sys.argv[2].encode())),
                      (HEADERS, ctypes.c_void_p(head)), (LEN, ctypes.c_long(len(body))), (POST, ctypes.c_char_p(body))):
    curl.curl_easy_setopt(easy, option, value)
status = curl.curl_easy_perform(easy)
curl.curl_easy_cleanup(easy)
sys.exit(status)
