# `{{ app }}/{{ component }}/{{ container }}`, rendered before it is built.
FROM {{ BASE_IMAGE }} AS pages
WORKDIR /src
COPY . .
RUN { \
      printf '<h1>%s</h1>\n' "{{ TITLE }}"; \
      sh render.sh <catalog.csv; \
    } >index.html \
 && grep -c '<li>' index.html >count

FROM {{ BASE_IMAGE }}
ARG GREETING=none
ENV GREETING=${GREETING}
COPY --from=pages /src/index.html /src/count /srv/
COPY serve.sh /usr/local/bin/serve
RUN chmod 755 /usr/local/bin/serve && test "$(cat /srv/count)" = 3
ENTRYPOINT ["/usr/local/bin/serve"]
