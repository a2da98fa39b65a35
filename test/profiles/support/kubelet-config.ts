type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isTruth: Check = (value) => typeof value === 'boolean';
const isNumber: Check = (value) => Number.isInteger(value);
const isDuration: Check = (value) => typeof value === 'string' && /^(\d+(h|m|s|ms))+$/.test(value);
const isMapOfTexts: Check = (value) =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((item) => typeof item === 'string');
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value as string);
const listOf =
  (of: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(of);
const mapOf =
  (fields: Fields, ...needs: readonly string[]): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(value).every(([key, item]) => fields[key]?.(item) === true) &&
    needs.every((key) => Object.hasOwn(value, key));

interface Fields {
  readonly [field: string]: Check;
}

/**
 * kubelet.config.k8s.io/v1beta1 is in no published schema: the fields that the roles use, as
 * https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/ has them. A kubelet refuses unknown ones (it decodes strictly),
 * so that a misspelt field is a machine that never joins.
 */
const FIELDS: Fields = {
  apiVersion: oneOf('kubelet.config.k8s.io/v1beta1'),
  kind: oneOf('KubeletConfiguration'),
  authentication: mapOf({
    anonymous: mapOf({ enabled: isTruth }),
    webhook: mapOf({ enabled: isTruth, cacheTTL: isDuration }),
    x509: mapOf({ clientCAFile: isText }),
  }),
  authorization: mapOf({
    mode: oneOf('AlwaysAllow', 'Webhook'),
    webhook: mapOf({ cacheAuthorizedTTL: isDuration, cacheUnauthorizedTTL: isDuration }),
  }),
  address: isText,
  cgroupDriver: oneOf('systemd', 'cgroupfs'),
  clusterDNS: listOf(isText),
  clusterDomain: isText,
  containerLogMaxFiles: isNumber,
  containerLogMaxSize: isText,
  containerRuntimeEndpoint: isText,
  evictionHard: isMapOfTexts,
  evictionMinimumReclaim: isMapOfTexts,
  failSwapOn: isTruth,
  featureGates: (value) =>
    typeof value === 'object' && value !== null && Object.values(value).every((item) => isTruth(item)),
  healthzBindAddress: isText,
  healthzPort: isNumber,
  imageGCHighThresholdPercent: isNumber,
  imageGCLowThresholdPercent: isNumber,
  kubeReserved: isMapOfTexts,
  maxPods: isNumber,
  readOnlyPort: isNumber,
  registerNode: isTruth,
  registerWithTaints: listOf(
    mapOf(
      { key: isText, value: isText, effect: oneOf('NoSchedule', 'PreferNoSchedule', 'NoExecute') },
      'key',
      'effect',
    ),
  ),
  resolvConf: isText,
  rotateCertificates: isTruth,
  serializeImagePulls: isTruth,
  serverTLSBootstrap: isTruth,
  shutdownGracePeriod: isDuration,
  shutdownGracePeriodCriticalPods: isDuration,
  staticPodPath: isText,
  systemReserved: isMapOfTexts,
  tlsCertFile: isText,
  tlsPrivateKeyFile: isText,
};

/** What is wrong with a KubeletConfiguration; none if nothing. */
export function checkKubeletConfig(given: object): readonly string[] {
  return Object.entries(given).flatMap(([field, value]) => {
    const check = Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined;
    if (check === undefined) return [`${field} is no field of KubeletConfiguration`];
    return check(value) ? [] : [`${field} cannot be ${JSON.stringify(value)}`];
  });
}
