import { createRequire } from 'node:module'
import { VitrineError } from '../errors.ts'

const require = createRequire(import.meta.url)

/**
 * The API of OpenTelemetry, which is looked for when it is first needed, so that importing this entry point needs nothing. It keeps its state
 * in one place for the whole process, however it was loaded.
 * @throws {VitrineError} `ERR_NOT_FOUND` with the command that installs it.
 */
export function openTelemetry(): typeof import('@opentelemetry/api') {
  try {
    return require('@opentelemetry/api') as typeof import('@opentelemetry/api')
  } catch (cause) {
    const install = 'npm install @opentelemetry/api@^1.9.0'
    throw new VitrineError(
      'ERR_NOT_FOUND',
      `vitrine/tracing needs the package @opentelemetry/api: ${install}`,
      { details: { package: '@opentelemetry/api', install }, cause },
    )
  }
}
