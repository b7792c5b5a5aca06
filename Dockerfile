FROM node:22-bookworm-slim AS build
WORKDIR /weir
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-save --no-fund --no-audit
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:22-bookworm-slim
WORKDIR /weir
ENV NODE_ENV=production WEIR_DATA_DIR=/data
COPY --from=build /weir/package.json ./
COPY --from=build /weir/node_modules ./node_modules
COPY --from=build /weir/dist ./dist
COPY --from=build /weir/simulators/recordings ./simulators/recordings
COPY --from=build /weir/rules ./rules
RUN mkdir /data && chown node /data
USER node
VOLUME /data
ENTRYPOINT ["node", "dist/gateway/main.js"]
CMD ["up"]
